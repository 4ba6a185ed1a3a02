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

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax
  }

  /** Parts of the text, to be parsed in order, and events that are over the limit: what was given of such a one before is to be forgotten. */
  *push(chunk: Buffer): Generator<Buffer | LongRecord> {
    let given = 0
    let start = 0
    for (let end = this.#eventEnd(chunk, 0); end !== -1; end = this.#eventEnd(chunk, end)) {
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

  /** The place behind the next blank line; -1: there is none in the chunk. */
  #eventEnd(chunk: Buffer, from: number): number {
    for (let at = from; at < chunk.length; ) {
      const feed = chunk.indexOf(LINE_FEED, at)
      const isEmpty = feed === at || (feed === at + 1 && chunk[at] === CARRIAGE_RETURN)
      const isBlank = this.#atLineStart && feed !== -1 && isEmpty
      this.#atLineStart = feed !== -1 || (this.#atLineStart && chunk.length - at === 1 && chunk[at] === CARRIAGE_RETURN)
      if (isBlank) return feed + 1
      if (feed === -1) return -1
      at = feed + 1
    }
    return -1
  }

  #firstOf(chunk: Buffer, start: number, end: number): Buffer {
    const missing = FIRST_BYTES_MAX - this.#first.length
    return missing <= 0
      ? this.#first
      : Buffer.concat([this.#first, chunk.subarray(start, Math.min(end, start + missing))])
  }
}
