/**
 * The slices of one round through all of history: as many as there are nights, each with about the same number of events of those that are
 * left. What arrives meanwhile is in the slices that are still to come, or in the next round.
 */
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { placedMs, type SegmentsOutline } from '#storage/lake/segment-outline.ts'
import { BEGINNING_MS, type Slice } from './slice.ts'

type PlacedSegment = Pick<SegmentManifest, 'rows' | 'timeRange' | 'createdAtMs'>
type PlacedGroup = Pick<SegmentsOutline, 'rows' | 'placed'>

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
 * @param segments all of the dataset, in any order; in place of some of them groups, as `mayEndIn` leaves them
 * @param alignMs slices begin and end with multiples of this: with panes, also where these are merged between two slices
 */
export function nextSlice(
  { nights, done, comparedBeforeMs }: CyclePlace,
  segments: readonly (PlacedSegment | PlacedGroup)[],
  alignMs = 1,
): Pick<Slice, 'panes' | 'keys'> {
  const from = comparedBeforeMs === null ? {} : { fromMs: comparedBeforeMs }
  const keys = { index: done, of: nights }
  if (done === nights - 1) return { panes: from, keys }
  const endMs = endOfShare(comparedBeforeMs ?? BEGINNING_MS, segments, nights - done)
  const beforeMs = endMs === BEGINNING_MS ? endMs : Math.ceil(endMs / alignMs) * alignMs
  return { panes: { ...from, beforeMs }, keys }
}

/**
 * Of which groups the segments are needed to say where the next slice ends: those that the slice may begin or end in. With the others as
 * they are, the slice is the same.
 *
 * @param groups all segments of the dataset
 */
export function mayEndIn(
  { nights, done, comparedBeforeMs }: CyclePlace,
  groups: readonly PlacedGroup[],
): (group: PlacedGroup) => boolean {
  const fromMs = comparedBeforeMs ?? BEGINNING_MS
  if (done === nights - 1) return () => false
  const left = groups.flatMap(({ rows, placed }) =>
    placed === null || placed.maxMs < fromMs ? [] : [{ rows, placed }],
  )
  const isCut = ({ minMs }: { readonly minMs: number }): boolean => minMs < fromMs
  const sure = left.filter(({ placed }) => !isCut(placed))
  // Of a group that begins before, all of its events are left at most, and none at least.
  const [least, most] = [sumOf(sure) / (nights - done), sumOf(left) / (nights - done)]
  const firstMs = reached(
    left.map(({ rows, placed }) => [placed.minMs, rows]),
    least,
  )
  const lastMs = reached(
    sure.map(({ rows, placed }) => [placed.maxMs, rows]),
    most,
  )
  return ({ placed }) =>
    placed !== null && placed.maxMs >= fromMs && (isCut(placed) || (placed.maxMs >= firstMs && placed.minMs <= lastMs))
}

/** Where about one of so many equal parts of the events from a time on ends. Late events are counted where their segments' newest ones are. */
function endOfShare(fromMs: number, segments: readonly (PlacedSegment | PlacedGroup)[], parts: number): number {
  const left = segments.flatMap((segment): Counted[] => {
    const endMs = 'placed' in segment ? (segment.placed?.maxMs ?? null) : placedMs(segment)
    return endMs === null || endMs < fromMs ? [] : [[endMs, segment.rows]]
  })
  const wanted = left.reduce((sum, [, rows]) => sum + rows, 0) / parts
  return left.length === 0 ? fromMs : reached(left, wanted) + 1
}

type Counted = readonly [ms: number, rows: number]

/** The first of the times up to which so many rows are counted; infinite if there is none. */
function reached(counted: readonly Counted[], wanted: number): number {
  let rows = 0
  for (const [ms, own] of counted.toSorted(([one], [other]) => one - other)) {
    rows += own
    if (rows >= wanted) return ms
  }
  return Number.POSITIVE_INFINITY
}

function sumOf(groups: readonly Pick<PlacedGroup, 'rows'>[]): number {
  return groups.reduce((sum, { rows }) => sum + rows, 0)
}
