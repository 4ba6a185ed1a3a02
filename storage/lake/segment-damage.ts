/** What is missing from a lake because manifests of segments are damaged or gone, and in which pieces it can be made again. */
import type { Offset } from '#core/offsets.ts'
import type { LakeError } from './lake-error.ts'
import { parseSegmentName } from './manifest-names.ts'
import type { SegmentManifest } from './segment-manifest.ts'

/** A segment's manifest that cannot be read. */
export interface UnreadableSegment {
  /** file name */
  readonly name: string
  readonly partition: number
  readonly start: Offset
  /** why it cannot be read, and what to do */
  readonly error: LakeError
}

/** Offsets that no readable manifest covers. */
export interface LostPiece {
  readonly partition: number
  readonly start: Offset
  /** null: it was the last segment, and nothing says where it ended */
  readonly end: Offset | null
}

/**
 * The pieces of one partition, in order. Each begins where a readable segment ends, or where a damaged manifest says that a segment begins.
 *
 * @param counted up to where a generation counts, where the last segments end at least
 * @example
 * lostPieces(0, [{ start: 0, end: 10 }, { start: 30, end: 40 }], [20, 40], 0)
 * // [{ partition: 0, start: 10, end: 20 }, { partition: 0, start: 20, end: 30 }, { partition: 0, start: 40, end: null }]
 */
export function lostPieces(
  partition: number,
  readable: readonly Pick<SegmentManifest, 'start' | 'end'>[],
  damagedStarts: readonly Offset[],
  counted: Offset,
): LostPiece[] {
  const pieces: LostPiece[] = []
  let end = 0
  const lose = (to: Offset | null): void => {
    // A generation counts up to the end of a segment.
    const inside = [...new Set([...damagedStarts, counted])].filter(
      (start) => start > end && start < (to ?? Number.POSITIVE_INFINITY),
    )
    const starts = [end, ...inside.toSorted((a, b) => a - b)]
    for (const [index, start] of starts.entries()) pieces.push({ partition, start, end: starts[index + 1] ?? to })
  }
  for (const segment of readable.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    if (segment.start > end) lose(segment.start)
    end = Math.max(end, segment.end)
  }
  const last = damagedStarts.filter((start) => start >= end)
  if (last.some((start) => start >= counted)) lose(null)
  else if (counted > end) lose(counted)
  return pieces
}

/** Starts of damaged manifests, of all partitions or of one. Those of compacted segments are left out: readable ones may take their place. */
export function damagedStarts(damaged: readonly UnreadableSegment[], partition: number): Offset[] {
  return damaged
    .filter((one) => one.partition === partition && parseSegmentName(one.name)!.end === null)
    .map(({ start }) => start)
}
