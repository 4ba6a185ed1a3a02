/** Position in one partition of the log: a non-negative safe integer. Ranges are half-open everywhere: `[start, end)`. */
export type Offset = number

/** Milliseconds since 1970-01-01T00:00:00Z of the event itself (not of its arrival). */
export type EventTimeMs = number

/** A half-open range of offsets of one partition. */
export interface OffsetRange {
  readonly partition: number
  /** first offset in the range */
  readonly start: Offset
  /** first offset after the range */
  readonly end: Offset
}

/** Per partition number, the offset up to which (exclusive) events are included. */
export type Positions = ReadonlyMap<number, Offset>

/** @throws RangeError if `value` is not a non-negative safe integer; the message begins with `where` */
export function assertOffset(value: number, where: string): Offset {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${where}: ${value} is not an offset (an integer from 0 to 2^53 - 1)`)
  }
  return value
}
