/**
 * The slices of one round through all of history: as many as there are nights, each with about the same number of events of those that are
 * left. What arrives meanwhile is in the slices that are still to come, or in the next round.
 */
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { BEGINNING_MS, type Slice } from './slice.ts'

type PlacedSegment = Pick<SegmentManifest, 'rows' | 'timeRange' | 'createdAtMs'>

export interface CyclePlace {
  readonly nights: number
  /** slices of this round that were compared */
  readonly done: number
  /** the panes before this were compared, epoch ms; null: none yet */
  readonly comparedBeforeMs: number | null
}

/**
 * ```ts
 * const segments = [0, 10].map((minMs) => ({ rows: 10, timeRange: { minMs, maxMs: minMs + 9 }, createdAtMs: 30 }))
 * nextSlice({ nights: 2, done: 0, comparedBeforeMs: null }, segments) // { panes: { beforeMs: 10 }, keys: { index: 0, of: 2 } }
 * nextSlice({ nights: 2, done: 1, comparedBeforeMs: 10 }, segments) // { panes: { fromMs: 10 }, keys: { index: 1, of: 2 } }
 * ```
 * @param segments all of the dataset, in any order
 * @param alignMs slices begin and end with multiples of this: with panes, also where these are merged between two slices
 */
export function nextSlice(
  { nights, done, comparedBeforeMs }: CyclePlace,
  segments: readonly PlacedSegment[],
  alignMs = 1,
): Pick<Slice, 'panes' | 'keys'> {
  const from = comparedBeforeMs === null ? {} : { fromMs: comparedBeforeMs }
  const keys = { index: done, of: nights }
  if (done === nights - 1) return { panes: from, keys }
  const endMs = endOfShare(comparedBeforeMs ?? BEGINNING_MS, segments, nights - done)
  const beforeMs = endMs === BEGINNING_MS ? endMs : Math.ceil(endMs / alignMs) * alignMs
  return { panes: { ...from, beforeMs }, keys }
}

/** Where about one of so many equal parts of the events from a time on ends. Late events are counted where their segments' newest ones are. */
function endOfShare(fromMs: number, segments: readonly PlacedSegment[], parts: number): number {
  const left = segments
    .flatMap((segment) => {
      const endMs = newestMs(segment)
      return endMs === null || endMs < fromMs ? [] : [[endMs, segment.rows]]
    })
    .sort(([one], [other]) => one! - other!) as [number, number][]
  const wanted = left.reduce((sum, [, rows]) => sum + rows, 0) / parts
  let counted = 0
  for (const [maxMs, rows] of left) {
    counted += rows
    if (counted >= wanted) return maxMs + 1
  }
  return fromMs
}

/** Where most of a segment's events are. Times after its closing are of wrong clocks, or of what is to come. */
function newestMs({ timeRange, createdAtMs }: PlacedSegment): number | null {
  return timeRange && Math.min(timeRange.maxMs, Math.max(timeRange.minMs, createdAtMs))
}
