/**
 * Rows whose JSON is not in the body but made from it, such as those of CSV. A small body can describe large events (a long column name
 * counts once per row), so what is made is bounded as a body is.
 */
import { OfferTooLargeError } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'

const LINE_FEED = 10
const FIRST_BYTES = 64 * 1024

export interface BuiltLimits {
  /** the JSON of all rows together: requestBytesMax */
  readonly bodyBytesMax: number
  /** requestRowsMax */
  readonly rowsMax: number
}

export class BuiltRows {
  readonly #limits: BuiltLimits
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  /** includes what was made for rows that have faults */
  #made = 0
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #lines: number[] = []
  readonly #faults = new Map<number, string>()

  constructor(limits: BuiltLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#starts.length
  }

  /** @param line where the row begins in the body. @throws OfferTooLargeError */
  add(json: string | Buffer, line?: number): void {
    const bytes = typeof json === 'string' ? Buffer.byteLength(json) : json.length
    this.#count(bytes + 1)
    this.#grow(bytes + 1)
    this.#begin(line)
    this.#at += typeof json === 'string' ? this.#bytes.write(json, this.#at) : json.copy(this.#bytes, this.#at)
    this.#ends.push(this.#at)
    this.#bytes[this.#at++] = LINE_FEED
  }

  /** @param bytes begin with the row's JSON. @throws OfferTooLargeError */
  addBytes(bytes: Buffer, length: number): void {
    this.#count(length + 1)
    this.#grow(length + 1)
    this.#begin(undefined)
    this.#at += bytes.copy(this.#bytes, this.#at, 0, length)
    this.#ends.push(this.#at)
    this.#bytes[this.#at++] = LINE_FEED
  }

  /** A row that is not an event. @param madeBytes what was made of it in vain. @throws OfferTooLargeError */
  fault(reason: string, line?: number, madeBytes = 0): void {
    this.#count(madeBytes)
    this.#faults.set(this.#starts.length, reason)
    this.#begin(line)
    this.#ends.push(this.#at)
  }

  rows(): Rows {
    const rows = { bytes: this.#bytes.subarray(0, this.#at), starts: this.#starts, ends: this.#ends }
    return { ...rows, faults: this.#faults, ...(this.#lines.length > 0 && { lines: this.#lines }) }
  }

  #begin(line: number | undefined): void {
    this.#starts.push(this.#at)
    if (line !== undefined) this.#lines.push(line)
  }

  #count(bytes: number): void {
    const { rowsMax, bodyBytesMax } = this.#limits
    this.#made += bytes
    if (this.count >= rowsMax)
      throw new OfferTooLargeError('the body', this.count + 1, 'events', 'requestRowsMax', rowsMax)
    if (this.#made > bodyBytesMax)
      throw new OfferTooLargeError(
        'the events of the body as JSON',
        this.#made,
        'bytes',
        'requestBytesMax',
        bodyBytesMax,
      )
  }

  #grow(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#at + bytes))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
