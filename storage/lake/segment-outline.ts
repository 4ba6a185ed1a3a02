/** What is known of adjacent segments as a whole, so that who needs a part of history opens only those that can be of it. */
import type { Offset } from '#core/offsets.ts'
import type { SegmentManifest } from './segment-manifest.ts'

/** Both inclusive, epoch ms. */
export interface TimeSpan {
  readonly minMs: number
  readonly maxMs: number
}

export interface SegmentsOutline {
  /** usable rows */
  readonly rows: number
  /** of their event times; null: there are no rows */
  readonly times: TimeSpan | null
  /** of `placedMs` of each segment; null: there are no rows */
  readonly placed: TimeSpan | null
  /** of all of them; null: of several */
  readonly schemaHash: string | null
}

/** Adjacent segments of a partition, compacted ones in place of those they replace. */
export interface SegmentGroup {
  /** half-open; the next group starts where it ends */
  readonly start: Offset
  readonly end: Offset
  /** whether one of them is a summary */
  readonly isSummarized: boolean
  readonly outline: SegmentsOutline
  /** null: they were not asked for */
  readonly segments: readonly SegmentManifest[] | null
}

export interface ChainOutline {
  readonly partition: number
  /** contiguous from offset 0 */
  readonly groups: readonly SegmentGroup[]
  /** end of the last one; 0 if there is none */
  readonly end: Offset
}

/** Whether the segments of a group are asked for. */
export type WantedGroup = (group: Omit<SegmentGroup, 'segments'>, partition: number) => boolean

/** When most of a segment's events happened, epoch ms: times after its closing are of wrong clocks, or of what is to come. null: it has none. */
export function placedMs({
  timeRange,
  createdAtMs,
}: Pick<SegmentManifest, 'timeRange' | 'createdAtMs'>): number | null {
  return timeRange && Math.min(timeRange.maxMs, Math.max(timeRange.minMs, createdAtMs))
}

/** @param segments at least one */
export function outlineOf(segments: readonly SegmentManifest[]): SegmentsOutline {
  return joined(
    segments.map((segment) => {
      const { rows, timeRange, schemaHash } = segment
      const ms = placedMs(segment)
      return { rows, times: timeRange, placed: ms === null ? null : { minMs: ms, maxMs: ms }, schemaHash }
    }),
  )
}

/** @param outlines of segments of which no two are the same; at least one */
export function joined(outlines: readonly SegmentsOutline[]): SegmentsOutline {
  const { schemaHash } = outlines[0]!
  return {
    rows: outlines.reduce((sum, { rows }) => sum + rows, 0),
    times: spanOf(outlines.map(({ times }) => times)),
    placed: spanOf(outlines.map(({ placed }) => placed)),
    schemaHash: outlines.every((each) => each.schemaHash === schemaHash) ? schemaHash : null,
  }
}

function spanOf(spans: readonly (TimeSpan | null)[]): TimeSpan | null {
  return spans.reduce<TimeSpan | null>((whole, span) => {
    if (whole === null || span === null) return whole ?? span
    return { minMs: Math.min(whole.minMs, span.minMs), maxMs: Math.max(whole.maxMs, span.maxMs) }
  }, null)
}
