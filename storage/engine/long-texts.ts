/** Where the texts of a chunk's column are: short ones in the column itself, long ones elsewhere in the engine's memory. */
import duckdb from '@duckdb/node-bindings'

/** of a text in its column: its length, then the text itself, or its first bytes and a pointer to all of it */
export const TEXT_BYTES = 16
const TEXT_WORDS = TEXT_BYTES / 4
/** longer ones are elsewhere */
export const INLINE_BYTES_MAX = 12
/** Memory is mapped by pages at least as large: what lies between two texts that are nearer than this can be read. */
const PAGE_BYTES = 4_096

/** Texts that are elsewhere. Those of rows one after the other mostly lie one after the other, and are looked at together: each look costs a microsecond. */
export class LongTexts {
  readonly data: Uint8Array
  readonly #words: Uint32Array
  readonly #rows: number
  readonly #validity: Uint8Array | null
  /** where the text that was asked for last begins in its run */
  from = 0
  /** addresses: the engine's are below 2^48 */
  #begin = 0
  #end = 0
  #run: Uint8Array = new Uint8Array()

  /** @param validity a bit per row that is set where there is a value; null: there is one everywhere */
  constructor(data: Uint8Array, rows: number, validity: Uint8Array | null) {
    this.data = data
    this.#words = new Uint32Array(data.buffer, data.byteOffset, rows * TEXT_WORDS)
    this.#rows = rows
    this.#validity = validity
  }

  /** Bytes of the row's text; 0 without a value. */
  lengthOf(row: number): number {
    const isValid = this.#validity === null || (this.#validity[row >> 3]! & (1 << (row & 7))) !== 0
    return isValid ? this.#words[row * TEXT_WORDS]! : 0
  }

  /** The bytes that hold the row's long text, from `from` on. */
  run(row: number): Uint8Array {
    const address = this.#addressOf(row)
    if (address < this.#begin || address + this.lengthOf(row) > this.#end) this.#look(row, address)
    this.from = address - this.#begin
    return this.#run
  }

  /** Whether the row has a long text that begins at this place of the last run. */
  follows(row: number, place: number): boolean {
    const length = this.lengthOf(row)
    const address = this.#begin + place
    return length > INLINE_BYTES_MAX && this.#addressOf(row) === address && address + length <= this.#end
  }

  #addressOf(row: number): number {
    const at = row * TEXT_WORDS
    return this.#words[at + 3]! * 2 ** 32 + this.#words[at + 2]!
  }

  #look(first: number, address: number): void {
    let end = address + this.lengthOf(first)
    for (let row = first + 1; row < this.#rows; row++) {
      const length = this.lengthOf(row)
      if (length <= INLINE_BYTES_MAX) continue
      const next = this.#addressOf(row)
      if (next < address || next - end >= PAGE_BYTES) break
      end = Math.max(end, next + length)
    }
    const { buffer, byteOffset } = this.data
    const place = byteOffset + first * TEXT_BYTES + 8
    this.#begin = address
    this.#end = end
    this.#run = duckdb.get_data_from_pointer(buffer as ArrayBuffer, place, end - address)
  }
}
