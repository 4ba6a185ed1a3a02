/** A position in a dataset's log as a text: what a client that sent events hands to its next query. */
import type { Offset, OffsetRange, Positions } from './offsets.ts'

const TEXT = /^\d{1,4}:\d{1,16}(,\d{1,4}:\d{1,16})*$/

/** The position that includes all of the ranges, and in each of their partitions what was before them. */
export function positionAfter(ranges: readonly OffsetRange[]): Positions {
  const position = new Map<number, Offset>()
  for (const { partition, end } of ranges) position.set(partition, Math.max(end, position.get(partition) ?? 0))
  return position
}

/**
 * Partitions and offsets, in the order of the partitions; empty for no partition.
 *
 * ```ts
 * positionText(new Map([[2, 7], [0, 12]])) // '0:12,2:7'
 * ```
 */
export function positionText(position: Positions): string {
  const places = [...position].sort(([one], [other]) => one - other)
  return places.map(([partition, offset]) => `${partition}:${offset}`).join(',')
}

/** The position that a text names; null if it names none. */
export function parsePosition(text: string): Positions | null {
  if (!TEXT.test(text)) return null
  const places = text.split(',').map((place) => place.split(':').map(Number) as [number, Offset])
  if (!places.every(([, offset]) => Number.isSafeInteger(offset))) return null
  return positionAfter(places.map(([partition, end]) => ({ partition, start: 0, end })))
}

/** Whether everything before the position is counted. @param counted per partition, the offset up to which events are counted */
export function isReached(position: Positions, counted: readonly Offset[]): boolean {
  return [...position].every(([partition, offset]) => (counted[partition] ?? 0) >= offset)
}
