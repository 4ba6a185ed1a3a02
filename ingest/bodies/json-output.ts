/** The JSON of one row at a time, as bytes, in memory that is used again. */

const FIRST_BYTES = 4_096
const [QUOTE, BACKSLASH, SPACE, MINUS, ZERO] = [0x22, 0x5c, 0x20, 0x2d, 0x30]
/** of one byte of a text: \u00XX */
const ESCAPED_BYTES_MAX = 6
const NUMBER_BYTES_MAX = 24
/** digits that are written with 32-bit arithmetic */
const PART = 100_000_000
const PART_DIGITS = 8

/** The row exceeds the limit of an event. */
export class TooLongError extends Error {}

export class JsonOutput {
  readonly #bytesMax: number
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #length = 0

  /** @param bytesMax of a row, about: what exceeds it is not longer than one value more */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Of the row; valid up to `length`, and until more is written. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get length(): number {
    return this.#length
  }

  /** Begins the next row. */
  begin(): void {
    this.#length = 0
  }

  byte(byte: number): void {
    this.#need(1)
    this.#bytes[this.#length++] = byte
  }

  /** JSON that is ready. @throws TooLongError */
  raw(json: Uint8Array): void {
    this.#need(json.length)
    const [target, at] = [this.#bytes, this.#length]
    for (let index = 0; index < json.length; index++) target[at + index] = json[index]!
    this.#length = at + json.length
  }

  /** JSON that is ready. @throws TooLongError */
  json(text: string): void {
    this.#need(3 * text.length)
    this.#length += this.#bytes.write(text, this.#length)
  }

  /** @param number whole, and at most 2^53 */
  whole(number: number): void {
    this.#need(NUMBER_BYTES_MAX)
    if (number < 0) this.#bytes[this.#length++] = MINUS
    this.#digits(Math.abs(number), 1)
  }

  /** A text, quoted and escaped as JSON.stringify does. @param source valid UTF-8 between the two places. @throws TooLongError */
  text(source: Uint8Array, from: number, to: number): void {
    this.#need(ESCAPED_BYTES_MAX * (to - from) + 2)
    const target = this.#bytes
    let at = this.#length
    target[at++] = QUOTE
    for (let index = from; index < to; index++) {
      const byte = source[index]!
      if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) target[at++] = byte
      else at += target.write(ESCAPES[byte]!, at)
    }
    target[at++] = QUOTE
    this.#length = at
  }

  #digits(number: number, atLeast: number): void {
    let rest = number
    if (number >= PART) {
      const high = Math.floor(number / PART)
      this.#digits(high, Math.max(1, atLeast - PART_DIGITS))
      this.#digits(number - high * PART, PART_DIGITS)
      return
    }
    let digits = atLeast
    for (let power = 10 ** digits; power <= number; power *= 10) digits++
    for (let at = this.#length + digits - 1; at >= this.#length; at--) {
      const shorter = (rest / 10) | 0
      this.#bytes[at] = ZERO + rest - 10 * shorter
      rest = shorter
    }
    this.#length += digits
  }

  #need(bytes: number): void {
    if (this.#length > this.#bytesMax) throw new TooLongError()
    if (this.#length + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + bytes))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

/** By byte: of those that are not written as they are. */
const ESCAPES: readonly string[] = Array.from({ length: BACKSLASH + 1 }, (_, byte) =>
  JSON.stringify(String.fromCharCode(byte)).slice(1, -1),
)
