/** Position in one partition of the log: a safe integer, 0 or more. Ranges are half-open everywhere: `[start, end)`. */
export type Offset = number

/** Milliseconds since 1970-01-01T00:00:00Z of the event itself (not of its arrival). */
export type EventTimeMs = number

/** A half-open range of offsets of one partition. */
export interface OffsetRange {
  readonly partition: number
  /** first offset in the range */
  readonly start: Offset
  /** first offset behind the range */
  readonly end: Offset
}

/** Per partition, the offset up to which (exclusive) something has counted. Partition numbers are the keys. */
export type Positions = ReadonlyMap<number, Offset>

/** @throws RangeError when `value` is not a safe integer of 0 or more; `where` names the place in the message */
export function assertOffset(value: number, where: string): Offset {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${where}: ${value} is not an offset (a whole number from 0 to 2^53 - 1)`)
  }
  return value
}
