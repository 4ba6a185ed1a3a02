/** The JSON of rows, as bytes, one row behind the other. */

const FIRST_BYTES = 64 * 1024
const [QUOTE, BACKSLASH, SPACE, MINUS, DOT, ZERO] = [0x22, 0x5c, 0x20, 0x2d, 0x2e, 0x30]
/** of one byte of a text: \u00XX */
const ESCAPED_BYTES_MAX = 6
const NUMBER_BYTES_MAX = 24
/** digits that are written with 32-bit arithmetic */
const PART = 100_000_000
const PART_DIGITS = 8
const LOOP_BYTES_MAX = 64

/** Writes the value at an index of a column. @throws TooLongError; RangeError for a value that has no text */
export type Writer = (output: JsonOutput, index: number) => void

/** The row exceeds the limit of an event. */
export class TooLongError extends Error {}

export class JsonOutput {
  readonly #rowBytesMax: number
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #at = 0
  #from = 0

  /** @param rowBytesMax of a row, about: what exceeds it is not longer than one value more */
  constructor(rowBytesMax: number) {
    this.#rowBytesMax = rowBytesMax
  }

  /** Valid up to `at`, and until more is written. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** where the next byte goes */
  get at(): number {
    return this.#at
  }

  /** bytes of the row that was begun */
  get length(): number {
    return this.#at - this.#from
  }

  /** Begins the next row. */
  begin(): void {
    this.#from = this.#at
  }

  /** Takes back what was written since the row was begun. */
  undo(): void {
    this.#at = this.#from
  }

  byte(byte: number): void {
    this.#need(1)
    this.#bytes[this.#at++] = byte
  }

  /** JSON that is ready: [from, to) of the source. @throws TooLongError */
  raw(source: Uint8Array, from = 0, to = source.length): void {
    this.#need(to - from)
    const target = this.#bytes
    let at = this.#at
    // What a call costs is more than a few bytes take one by one.
    if (to - from > LOOP_BYTES_MAX) {
      target.set(from === 0 && to === source.length ? source : source.subarray(from, to), at)
      at += to - from
    } else for (let index = from; index < to; index++) target[at++] = source[index]!
    this.#at = at
  }

  /** JSON that is ready. @throws TooLongError */
  json(text: string): void {
    this.#need(3 * text.length)
    this.#at += this.#bytes.write(text, this.#at)
  }

  /** @param number whole, and at most 2^53 */
  whole(number: number): void {
    this.#need(NUMBER_BYTES_MAX)
    if (number < 0) this.#bytes[this.#at++] = MINUS
    this.#digits(Math.abs(number), 1)
  }

  /**
   * A number with a fraction.
   * @param units whole, and at most 2^53: the number in units of 10^-decimals. @param decimals at most 15
   */
  fraction(units: number, decimals: number): void {
    this.#need(NUMBER_BYTES_MAX)
    if (units < 0) this.#bytes[this.#at++] = MINUS
    const [all, power] = [Math.abs(units), POWERS[decimals]!]
    const whole = Math.floor(all / power)
    this.#digits(whole, 1)
    this.#bytes[this.#at++] = DOT
    this.#digits(all - whole * power, decimals)
  }

  /** @param number whole, not negative. @param digits so many, with zeros in front if it has fewer; at most 15 */
  digits(number: number, digits: number): void {
    this.#need(NUMBER_BYTES_MAX)
    this.#digits(number, digits)
  }

  /** A text, quoted and escaped as JSON.stringify does. @param source valid UTF-8 between the two places. @throws TooLongError */
  text(source: Uint8Array, from: number, to: number): void {
    this.#need(ESCAPED_BYTES_MAX * (to - from) + 2)
    const target = this.#bytes
    let at = this.#at
    target[at++] = QUOTE
    for (let index = from; index < to; index++) {
      const byte = source[index]!
      if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) target[at++] = byte
      else at += target.write(ESCAPES[byte]!, at)
    }
    target[at++] = QUOTE
    this.#at = at
  }

  #digits(number: number, atLeast: number): void {
    if (number >= PART || atLeast > PART_DIGITS) {
      const high = Math.floor(number / PART)
      this.#digits(high, Math.max(1, atLeast - PART_DIGITS))
      this.#part(number - high * PART, PART_DIGITS)
    } else this.#part(number, atLeast)
  }

  /** Digits of a number below PART. */
  #part(number: number, atLeast: number): void {
    let rest = number | 0
    const needed = rest < 10_000 ? (rest < 100 ? (rest < 10 ? 1 : 2) : rest < 1_000 ? 3 : 4) : longPart(rest)
    const target = this.#bytes
    const end = this.#at + Math.max(needed, atLeast)
    for (let at = end - 1; at >= this.#at; at--) {
      const shorter = (rest / 10) | 0
      target[at] = ZERO + rest - 10 * shorter
      rest = shorter
    }
    this.#at = end
  }

  #need(bytes: number): void {
    if (this.#at - this.#from > this.#rowBytesMax) throw new TooLongError()
    if (this.#at + bytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#at + bytes))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}

function longPart(number: number): number {
  if (number < 1_000_000) return number < 100_000 ? 5 : 6
  return number < 10_000_000 ? 7 : 8
}

/** of ten; as doubles they are exact */
export const POWERS: readonly number[] = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent)

/** By byte: of those that are not written as they are. */
const ESCAPES: readonly string[] = Array.from({ length: BACKSLASH + 1 }, (_, byte) =>
  JSON.stringify(String.fromCharCode(byte)).slice(1, -1),
)
