/**
 * Some thousand rows as the engine holds them: bytes of fixed width, validity bits and texts, copied without making a value of each. The
 * layout is that of Arrow: little-endian numbers, 128-bit decimals, a bit per row that is set where there is a value.
 */
import type { DuckDBDataChunk } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'

const TEXT_BYTES = 16
/** longer ones are elsewhere, with a pointer to them */
const INLINE_BYTES_MAX = 12
const WORD_ROWS = 64

export class EngineChunk {
  readonly #chunk: DuckDBDataChunk
  readonly rows: number

  constructor(chunk: DuckDBDataChunk) {
    this.#chunk = chunk
    this.rows = chunk.rowCount
  }

  /** Copies the values of a column of fixed width. @param width bytes of one value */
  copyFixed(column: number, width: number, target: Uint8Array, at: number): void {
    target.set(duckdb.vector_get_data(this.#vector(column), this.rows * width), at)
  }

  /** Bits of the rows that have a value, whole bytes; null: all of them do. */
  validity(column: number): Uint8Array | null {
    const bytes = Math.ceil(this.rows / WORD_ROWS) * (WORD_ROWS / 8)
    return duckdb.vector_get_validity(this.#vector(column), bytes) ?? null
  }

  /** Calls back with the place of each text in `bytes`; that of a row without a value has no bytes. */
  texts(column: number, each: (row: number, bytes: Uint8Array, from: number, length: number) => void): void {
    const validity = this.validity(column)
    const data = duckdb.vector_get_data(this.#vector(column), this.rows * TEXT_BYTES)
    const long = new LongTexts(data, this.rows)
    for (let row = 0; row < this.rows; row++) {
      const length = long.view.getUint32(row * TEXT_BYTES, true)
      if (validity !== null && (validity[row >> 3]! & (1 << (row & 7))) === 0) each(row, data, 0, 0)
      else if (length <= INLINE_BYTES_MAX) each(row, data, row * TEXT_BYTES + 4, length)
      else each(row, long.run(row, validity), long.from, length)
    }
  }

  /** The values of a column, one by one: for what has no fixed width. */
  values(column: number): unknown[] {
    return this.#chunk.getColumnValues(column)
  }

  #vector(column: number): duckdb.Vector {
    return duckdb.data_chunk_get_vector(this.#chunk.chunk, column)
  }
}

/** Memory is mapped by pages at least as large: what lies between two texts that are nearer than this can be read. */
const PAGE_BYTES = 4_096

/** Texts that are elsewhere. Those of rows one after the other mostly lie one after the other, and are looked at together: each look costs a microsecond. */
class LongTexts {
  readonly view: DataView
  readonly #data: Uint8Array
  readonly #rows: number
  /** where the text that was asked for last begins in its run */
  from = 0
  #begin = 0n
  #end = 0n
  #run: Uint8Array = new Uint8Array()

  constructor(data: Uint8Array, rows: number) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    this.#data = data
    this.#rows = rows
  }

  /** The bytes that hold the row's text, from `from` on. */
  run(row: number, validity: Uint8Array | null): Uint8Array {
    const address = this.view.getBigUint64(row * TEXT_BYTES + 8, true)
    const length = this.view.getUint32(row * TEXT_BYTES, true)
    if (address < this.#begin || address + BigInt(length) > this.#end) this.#look(row, address, length, validity)
    this.from = Number(address - this.#begin)
    return this.#run
  }

  #look(first: number, address: bigint, length: number, validity: Uint8Array | null): void {
    let end = address + BigInt(length)
    for (let row = first + 1; row < this.#rows; row++) {
      if (validity !== null && (validity[row >> 3]! & (1 << (row & 7))) === 0) continue
      const bytes = this.view.getUint32(row * TEXT_BYTES, true)
      if (bytes <= INLINE_BYTES_MAX) continue
      const next = this.view.getBigUint64(row * TEXT_BYTES + 8, true)
      if (next < address || next - end >= PAGE_BYTES) break
      if (next + BigInt(bytes) > end) end = next + BigInt(bytes)
    }
    const { buffer, byteOffset } = this.#data
    this.#begin = address
    this.#end = end
    this.#run = duckdb.get_data_from_pointer(
      buffer as ArrayBuffer,
      byteOffset + first * TEXT_BYTES + 8,
      Number(end - address),
    )
  }
}
