/** Texts one after the other, with the end of each: the layout that Arrow has for them. Its memory is used again. */

/** bytes that are copied one by one: a call costs more */
const COPIED_BYTES_MAX = 24
const FIRST_BYTES = 64 * 1024

export class TextSpace {
  readonly #ends: Int32Array
  #bytes = new Uint8Array(FIRST_BYTES)
  #used = 0
  /** of the rows whose ends are known */
  #ended = 0

  /** @param rowsMax until it is emptied */
  constructor(rowsMax: number) {
    this.#ends = new Int32Array(rowsMax + 1)
  }

  /** Bytes that were copied. */
  get length(): number {
    return this.#used
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#used)
  }

  /** Where the text of each row begins, and behind it where the last one ends. */
  offsets(rows: number): Int32Array {
    return this.#ends.subarray(0, rows + 1)
  }

  /** Says how long the text of the next row is. Its bytes are copied then, alone or together with those of the next ones. */
  end(row: number, length: number): void {
    this.#ended += length
    this.#ends[row + 1] = this.#ended
  }

  copy(source: Uint8Array, from: number, length: number): void {
    if (this.#used + length > this.#bytes.length) this.#grow(length)
    const [target, at] = [this.#bytes, this.#used]
    if (length > COPIED_BYTES_MAX) target.set(source.subarray(from, from + length), at)
    else for (let byte = 0; byte < length; byte++) target[at + byte] = source[from + byte]!
    this.#used = at + length
  }

  /** Begins again with the first row. */
  empty(): void {
    this.#used = 0
    this.#ended = 0
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#used + bytes))
    larger.set(this.bytes)
    this.#bytes = larger
  }
}
