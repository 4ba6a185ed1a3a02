/** Splits a stream of chunks into lines. Of a line over the limit it keeps the beginning, so that memory is bounded. */
import type { LongRecord } from './event-source.ts'

/** bytes that are kept of a record over the limit */
export const FIRST_BYTES_MAX = 1_024
const NEWLINE = 10
const CARRIAGE_RETURN = 13

export class StreamLines {
  readonly #lineBytesMax: number
  #held: Buffer[] = []
  #heldBytes = 0
  /** bytes of the line that were not kept */
  #droppedBytes = 0

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax
  }

  /** Lines that end in the chunk, without their line ends. They are views of it. */
  *push(chunk: Buffer): Generator<Buffer | LongRecord> {
    for (let from = 0; ; ) {
      const end = chunk.indexOf(NEWLINE, from)
      this.#hold(chunk.subarray(from, end === -1 ? chunk.length : end))
      if (end === -1) return
      yield this.#finish()
      from = end + 1
    }
  }

  /** What is left when the stream is over; null: nothing. */
  rest(): Buffer | LongRecord | null {
    return this.#heldBytes + this.#droppedBytes === 0 ? null : this.#finish()
  }

  #hold(part: Buffer): void {
    // One byte more than the limit may be the '\r' of the line end.
    if (this.#droppedBytes > 0 || this.#heldBytes + part.length > this.#lineBytesMax + 1) this.#drop(part)
    else if (part.length > 0) {
      this.#held.push(part)
      this.#heldBytes += part.length
    }
  }

  #drop(part: Buffer): void {
    const first = Buffer.concat([...this.#held, part.subarray(0, FIRST_BYTES_MAX)]).subarray(0, FIRST_BYTES_MAX)
    this.#droppedBytes += this.#heldBytes + part.length - first.length
    this.#held = [first]
    this.#heldBytes = first.length
  }

  #finish(): Buffer | LongRecord {
    const whole = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held, this.#heldBytes)
    const bytes = this.#heldBytes + this.#droppedBytes
    const isLong = this.#droppedBytes > 0
    this.#held = []
    this.#heldBytes = 0
    this.#droppedBytes = 0
    if (isLong) return { first: whole, bytes }
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole
    return line.length > this.#lineBytesMax ? longRecord(line) : line
  }
}

export function longRecord(whole: Buffer): LongRecord {
  return { first: Buffer.from(whole.subarray(0, FIRST_BYTES_MAX)), bytes: whole.length }
}
