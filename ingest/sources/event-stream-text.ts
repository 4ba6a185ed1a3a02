/** Cuts the text of server-sent events where events end, so that one over the limit is left out, with its beginning kept. */
import type { LongRecord } from './event-source.ts'
import { FIRST_BYTES_MAX } from './stream-lines.ts'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13

export class EventStreamText {
  readonly #eventBytesMax: number
  /** of the event that had not ended in the chunks before */
  #bytes = 0
  #first: Buffer = Buffer.alloc(0)
  /** whether its text so far ends with a line end, or it has none */
  #atLineStart = true
  /** whether that line end is a carriage return, of which a line feed that follows is a part */
  #isAfterReturn = false

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax
  }

  /** Parts of the text, to be parsed in order, and events that are over the limit: what was given of such a one before is to be forgotten. */
  *push(chunk: Buffer): Generator<Buffer | LongRecord> {
    let given = 0
    let start = 0
    for (const end of this.#eventEnds(chunk)) {
      const bytes = this.#bytes + end - start
      if (bytes > this.#eventBytesMax) {
        if (start > given) yield chunk.subarray(given, start)
        yield { first: this.#firstOf(chunk, start, end), bytes }
        given = end
      }
      start = end
      this.#bytes = 0
      this.#first = Buffer.alloc(0)
    }
    if (start < chunk.length) this.#first = this.#firstOf(chunk, start, chunk.length)
    this.#bytes += chunk.length - start
    // Of one over the limit nothing more is given: it ends as a long record.
    const until = this.#bytes > this.#eventBytesMax ? start : chunk.length
    if (until > given) yield chunk.subarray(given, until)
  }

  /** The places behind blank lines. A line ends with a line feed, a carriage return, or both. */
  *#eventEnds(chunk: Buffer): Generator<number> {
    let start = this.#isAfterReturn && chunk[0] === LINE_FEED ? 1 : 0
    if (chunk.length > 0) this.#isAfterReturn = false
    let feed = chunk.indexOf(LINE_FEED, start)
    let carriage = chunk.indexOf(CARRIAGE_RETURN, start)
    while (feed !== -1 || carriage !== -1) {
      const isReturn = carriage !== -1 && (feed === -1 || carriage < feed)
      const end = isReturn ? carriage : feed
      const isBlank = this.#atLineStart && end === start
      start = isReturn && feed === end + 1 ? end + 2 : end + 1
      this.#isAfterReturn = isReturn && start === chunk.length && feed !== end + 1
      this.#atLineStart = true
      if (feed !== -1 && feed < start) feed = chunk.indexOf(LINE_FEED, start)
      if (carriage !== -1 && carriage < start) carriage = chunk.indexOf(CARRIAGE_RETURN, start)
      if (isBlank) yield start
    }
    if (start < chunk.length) this.#atLineStart = false
  }

  #firstOf(chunk: Buffer, start: number, end: number): Buffer {
    const missing = FIRST_BYTES_MAX - this.#first.length
    return missing <= 0
      ? this.#first
      : Buffer.concat([this.#first, chunk.subarray(start, Math.min(end, start + missing))])
  }
}
