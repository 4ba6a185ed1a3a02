/**
 * Which raw events are older than their dataset keeps them, decided from manifests: by when the newest record of a segment arrived, on the
 * log's clock, against the newest arrival in the lake. No machine's clock alone makes anything old.
 */
import type { Offset } from '#core/offsets.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'

/** Arrivals of this long must have followed a jump of the clock before it is believed. */
const CONFIRMED_MS = 86_400_000
/** bounds the manifest that names them; the rest follows with the next run */
const SEGMENTS_PER_SUMMARY_MAX = 5_000

/** When the newest record of a segment arrived, epoch ms; when it closed, where its manifest does not tell. */
export function arrivedMs({ last, createdAtMs }: Pick<SegmentManifest, 'last' | 'createdAtMs'>): number {
  return last?.arrivalMs ?? createdAtMs
}

/**
 * Before this time, epoch ms, raw events are past their horizon; null: it is not known of any yet.
 *
 * @param keptMs how long raw events are kept
 * @example
 * // Arrivals on day 0, 1, 2 and, by a clock that jumped, 400: the present is day 3.
 * horizonMs([0, 1, 2, 400].map(segmentOfDay), 90 * DAY, 400 * DAY) // (3 - 90) * DAY
 */
export function horizonMs(
  segments: readonly Pick<SegmentManifest, 'last' | 'createdAtMs'>[],
  keptMs: number,
  clockMs: number,
): number | null {
  const present = presentMs(segments, clockMs, Math.min(CONFIRMED_MS, keptMs))
  return present === null ? null : present - keptMs
}

/**
 * The present by the log's clock, epoch ms; null: it is not known yet.
 *
 * It is the newest arrival that is not in the future of `clockMs`. If nothing arrived in the day before it, the clock may have
 * jumped: then the day counts from the arrival before the jump, until events of a whole day have followed it. A dataset that gets no
 * events does not age.
 *
 * @param confirmedMs how long arrivals must have followed a jump
 */
export function presentMs(
  segments: readonly Pick<SegmentManifest, 'last' | 'createdAtMs'>[],
  clockMs: number,
  confirmedMs = CONFIRMED_MS,
): number | null {
  const newest = newestOf(segments, clockMs)
  if (newest === null) return null
  const before = newestOf(segments, newest - confirmedMs)
  return before === null ? null : Math.min(newest, before + confirmedMs)
}

/** The newest arrival up to a time. */
function newestOf(segments: readonly Pick<SegmentManifest, 'last' | 'createdAtMs'>[], upToMs: number): number | null {
  let newest: number | null = null
  for (const segment of segments) {
    const ms = arrivedMs(segment)
    if (ms <= upToMs && (newest === null || ms > newest)) newest = ms
  }
  return newest
}

export interface DueRange {
  readonly partition: number
  /** the summary so far; null: nothing of the partition was removed yet */
  readonly summary: SegmentManifest | null
  /** what follows it and is past its horizon, in order; at least one */
  readonly segments: readonly SegmentManifest[]
}

/**
 * Per partition, the oldest segments that are past the horizon and that every kept generation has counted.
 *
 * @param chains compacted
 * @param counted per partition, the offset up to which every kept generation has counted
 */
export function dueRanges(
  chains: readonly SegmentChain[],
  counted: readonly Offset[],
  beforeMs: number | null,
): DueRange[] {
  if (beforeMs === null) return []
  return chains.flatMap(({ partition, segments }) => {
    const summary = segments[0]?.kind === 'summary' ? segments[0] : null
    const raw = summary === null ? segments : segments.slice(1)
    const isDue = (segment: SegmentManifest): boolean =>
      segment.end <= (counted[partition] ?? 0) && arrivedMs(segment) < beforeMs
    const kept = raw.findIndex((segment) => !isDue(segment))
    const due = raw.slice(0, kept === -1 ? raw.length : kept).slice(0, SEGMENTS_PER_SUMMARY_MAX)
    return due.length === 0 ? [] : [{ partition, summary, segments: due }]
  })
}
