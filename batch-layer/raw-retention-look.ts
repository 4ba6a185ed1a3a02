/** What the removal of old raw events has done and would do now: reads manifests, and changes nothing. */
import type { Offset } from '#core/offsets.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { segmentFiles } from '#storage/lake/segment-files.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { arrivedMs, dueRanges, horizonMs } from './raw-horizon.ts'
import { keptBoundary } from './retention.ts'

export interface RawCount {
  /** usable events */
  readonly rows: number
  readonly segments: number
  readonly bytes: number
}

export interface RawRetentionLook {
  readonly partition: number
  /** raw events before this offset were removed, or are when no reader needs them; nothing can be recounted there */
  readonly floor: Offset
  /** of the states that are kept of them, with all panes, also those that `keep.panes` merged or removed */
  readonly statesBytes: number
  /** raw events that are kept */
  readonly kept: RawCount
  /** of these, what the next full run gives up, and the floor that it then sets */
  readonly due: RawCount & { readonly floor: Offset }
  /** past their horizon, but not counted yet by every kept generation */
  readonly waiting: RawCount
  /** when the newest event of the oldest kept segment arrived, epoch ms; null: none is kept */
  readonly oldestArrivalMs: number | null
}

/** By partition. @param keptMs how long raw events are kept; null: forever */
export async function lookAtRawRetention(
  lake: Lake,
  partitions: number,
  keptMs: number | null,
  clockMs: number,
): Promise<RawRetentionLook[]> {
  const chains = await lake.chains(partitions, { compacted: true })
  const beforeMs =
    keptMs === null
      ? null
      : horizonMs(
          chains.flatMap(({ segments }) => segments),
          keptMs,
          clockMs,
        )
  const counted = await keptBoundary(lake, chains.length)
  const due = dueRanges(chains, counted, beforeMs)
  const old = dueRanges(
    chains,
    chains.map(({ end }) => end),
    beforeMs,
  )
  return chains.map((chain) => {
    const of = (ranges: typeof due): readonly SegmentManifest[] =>
      ranges.find(({ partition }) => partition === chain.partition)?.segments ?? []
    return lookOf(chain, of(due), of(old))
  })
}

function lookOf(
  { partition, segments }: SegmentChain,
  due: readonly SegmentManifest[],
  old: readonly SegmentManifest[],
): RawRetentionLook {
  const raw = segments.filter(({ kind }) => kind !== 'summary')
  const summary = segments[0]?.kind === 'summary' ? segments[0] : null
  const floor = summary?.end ?? 0
  return {
    partition,
    floor,
    statesBytes: bytesOf(summary === null ? [] : [summary]),
    kept: countOf(raw),
    due: { ...countOf(due), floor: due.at(-1)?.end ?? floor },
    waiting: countOf(old.slice(due.length)),
    oldestArrivalMs: raw[0] === undefined ? null : arrivedMs(raw[0]),
  }
}

function countOf(segments: readonly SegmentManifest[]): RawCount {
  const sum = (of: (segment: SegmentManifest) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0)
  return {
    rows: sum(({ rows }) => rows),
    segments: segments.length,
    bytes: bytesOf(segments),
  }
}

function bytesOf(segments: readonly SegmentManifest[]): number {
  return segments.flatMap(segmentFiles).reduce((bytes, file) => bytes + file.bytes, 0)
}
