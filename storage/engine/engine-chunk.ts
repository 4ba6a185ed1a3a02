/**
 * Some thousand rows as the engine holds them: bytes of fixed width, validity bits and texts, copied without making a value of each. The
 * layout is that of Arrow: little-endian numbers, 128-bit decimals, a bit per row that is set where there is a value.
 */
import type { DuckDBDataChunk } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { INLINE_BYTES_MAX, LongTexts, TEXT_BYTES } from './long-texts.ts'
import type { TextSpace } from './text-space.ts'

const WORD_ROWS = 64
const BIGINT_BYTES = 8
/** offset and length */
const LIST_BYTES = 16

/** All elements, and by row where its own begin and end among them. */
export interface NumberLists {
  readonly elements: Float64Array
  readonly from: Uint32Array
  readonly to: Uint32Array
}

/** The bytes as 32-bit words, wherever they begin. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const isAligned = bytes.byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0
  const { buffer, byteOffset, length } = isAligned ? bytes : bytes.slice()
  return new Uint32Array(buffer, byteOffset, length / Uint32Array.BYTES_PER_ELEMENT)
}

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
    const long = this.#longTexts(column)
    for (let row = 0; row < this.rows; row++) {
      const length = long.lengthOf(row)
      if (length <= INLINE_BYTES_MAX) each(row, long.data, row * TEXT_BYTES + 4, length)
      else each(row, long.run(row), long.from, length)
    }
  }

  /** Appends the texts of a column, one after the other; a row without a value gets an empty one. @param first number of the chunk's first row in the space */
  appendTexts(column: number, space: TextSpace, first: number): void {
    const long = this.#longTexts(column)
    for (let row = 0; row < this.rows; ) {
      const length = long.lengthOf(row)
      const isLong = length > INLINE_BYTES_MAX
      const bytes = isLong ? long.run(row) : long.data
      const from = isLong ? long.from : row * TEXT_BYTES + 4
      const begin = row++
      space.end(first + begin, length)
      let total = length
      // The engine mostly puts long texts one directly after the other: they are copied together.
      for (; isLong && row < this.rows && long.follows(row, from + total); row++) {
        total += long.lengthOf(row)
        space.end(first + row, long.lengthOf(row))
      }
      space.copy(bytes, from, total)
    }
  }

  /** Lists of BIGINTs below 2^53. A row without a value has an empty one. */
  numberLists(column: number): NumberLists {
    const vector = this.#vector(column)
    const child = duckdb.list_vector_get_child(vector)
    const size = duckdb.list_vector_get_size(vector)
    const words = wordsOf(duckdb.vector_get_data(child, size * BIGINT_BYTES))
    const elements = new Float64Array(size)
    for (let at = 0; at < size; at++) elements[at] = words[2 * at + 1]! * 2 ** 32 + words[2 * at]!
    const places = wordsOf(duckdb.vector_get_data(vector, this.rows * LIST_BYTES))
    const [from, to] = [new Uint32Array(this.rows), new Uint32Array(this.rows)]
    const validity = this.validity(column)
    for (let row = 0; row < this.rows; row++) {
      if (validity !== null && (validity[row >> 3]! & (1 << (row & 7))) === 0) continue
      from[row] = places[4 * row]!
      to[row] = from[row]! + places[4 * row + 2]!
    }
    return { elements, from, to }
  }

  /** The values of a column, one by one: for what has no fixed width. */
  values(column: number): unknown[] {
    return this.#chunk.getColumnValues(column)
  }

  #longTexts(column: number): LongTexts {
    const data = duckdb.vector_get_data(this.#vector(column), this.rows * TEXT_BYTES)
    return new LongTexts(data, this.rows, this.validity(column))
  }

  #vector(column: number): duckdb.Vector {
    return duckdb.data_chunk_get_vector(this.#chunk.chunk, column)
  }
}
