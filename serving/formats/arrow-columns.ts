/** Columns of an export, as Arrow's buffers, filled from the engine's chunks without making a value of each. */
import { type Data, makeData } from 'apache-arrow'
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import { arrowData } from './arrow-data.ts'
import { arrowType } from './arrow-types.ts'
import { type ColumnKind, engineType } from './column-kinds.ts'
import type { RowValue } from './row-values.ts'

/** A column of a record batch that is being filled. */
export interface ArrowColumn {
  /** of its texts so far, about; 0 where values have a fixed width */
  readonly textBytes: number
  /** Adds the chunk's values, at a row that is a multiple of 8. */
  add(chunk: EngineChunk, column: number, row: number): void
  /** The column of the batch; what is added afterwards is another batch's. */
  finish(rows: number): Data
}

/** @param rowsMax of a batch */
export function arrowColumn(kind: ColumnKind, rowsMax: number): ArrowColumn {
  if (kind.kind === 'text') return new TextColumn(rowsMax)
  if (kind.kind === 'list') return new ListColumn(kind)
  return new FixedColumn(kind, rowsMax)
}

/** SQL of a column's value, in the layout that its ArrowColumn expects. */
export function arrowColumnSql(value: string, kind: ColumnKind): string {
  // As whole numbers both have Arrow's layout.
  if (kind.kind === 'timestamp') return `epoch_us(${value})`
  if (kind.kind === 'decimal') return `${value}::DECIMAL(38,${kind.scale})`
  if (kind.kind === 'double') return `CASE WHEN isfinite(${value}) THEN ${value}::DOUBLE END`
  return kind.kind === 'list' ? `${value}::${listOf(kind)}` : `${value}::${engineType(kind)}`
}

/** Lists of times are texts, which arrowData reads. */
function listOf({ element }: ColumnKind & { kind: 'list' }): string {
  return element.kind === 'integer' || element.kind === 'boolean' ? `${engineType(element)}[]` : 'VARCHAR[]'
}

class Validity {
  readonly #rowsMax: number
  #bits: Uint8Array | null = null
  #nulls = 0

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax
  }

  add(bits: Uint8Array | null, row: number, rows: number): void {
    if (bits === null && this.#bits === null) return
    this.#bits ??= new Uint8Array(Math.ceil(this.#rowsMax / 8)).fill(0xff)
    const bytes = Math.ceil(rows / 8)
    if (bits === null) return
    this.#bits.set(bits.subarray(0, bytes), row >> 3)
    for (let at = 0; at < rows; at++) if ((bits[at >> 3]! & (1 << (at & 7))) === 0) this.#nulls++
  }

  finish(): { readonly nullCount: number; readonly nullBitmap?: Uint8Array } {
    const made = this.#bits === null ? { nullCount: 0 } : { nullCount: this.#nulls, nullBitmap: this.#bits }
    this.#bits = null
    this.#nulls = 0
    return made
  }
}

const WIDTHS = { boolean: 1, double: 8, date: 4, timestamp: 8, decimal: 16 } as const

class FixedColumn implements ArrowColumn {
  readonly textBytes = 0
  readonly #kind: ColumnKind
  readonly #width: number
  readonly #rowsMax: number
  readonly #validity: Validity
  #bytes: Uint8Array

  constructor(kind: ColumnKind, rowsMax: number) {
    this.#kind = kind
    this.#width = kind.kind === 'integer' ? kind.bits / 8 : WIDTHS[kind.kind as keyof typeof WIDTHS]
    this.#rowsMax = rowsMax
    this.#validity = new Validity(rowsMax)
    this.#bytes = new Uint8Array(rowsMax * this.#width)
  }

  add(chunk: EngineChunk, column: number, row: number): void {
    this.#validity.add(chunk.validity(column), row, chunk.rows)
    chunk.copyFixed(column, this.#width, this.#bytes, row * this.#width)
  }

  finish(rows: number): Data {
    const bytes = this.#bytes.subarray(0, rows * this.#width)
    const type = arrowType(this.#kind)
    const data =
      this.#kind.kind === 'boolean'
        ? packed(bytes)
        : new type.ArrayType(bytes.buffer, 0, bytes.length / type.ArrayType.BYTES_PER_ELEMENT)
    this.#bytes = new Uint8Array(this.#rowsMax * this.#width)
    return makeData({ type, length: rows, data, ...this.#validity.finish() } as Parameters<typeof makeData>[0])
  }
}

/** A bit for each byte. */
function packed(bytes: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(bytes.length / 8))
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) bits[at >> 3]! |= 1 << (at & 7)
  return bits
}

/** bytes of a text that are copied one by one: a call costs more */
const COPIED_BYTES_MAX = 24

class TextColumn implements ArrowColumn {
  readonly #rowsMax: number
  readonly #validity: Validity
  #offsets: Int32Array
  #bytes = new Uint8Array(64 * 1024)
  #end = 0

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax
    this.#validity = new Validity(rowsMax)
    this.#offsets = new Int32Array(rowsMax + 1)
  }

  get textBytes(): number {
    return this.#end
  }

  add(chunk: EngineChunk, column: number, row: number): void {
    this.#validity.add(chunk.validity(column), row, chunk.rows)
    chunk.texts(column, (at, bytes, from, length) => {
      if (this.#end + length > this.#bytes.length) this.#grow(length)
      const [target, end] = [this.#bytes, this.#end]
      if (length > COPIED_BYTES_MAX) target.set(bytes.subarray(from, from + length), end)
      else for (let byte = 0; byte < length; byte++) target[end + byte] = bytes[from + byte]!
      this.#end = end + length
      this.#offsets[row + at + 1] = this.#end
    })
  }

  finish(rows: number): Data {
    const valueOffsets = this.#offsets.subarray(0, rows + 1)
    const data = this.#bytes.subarray(0, this.#end)
    const made = { type: arrowType({ kind: 'text' }), length: rows, data, valueOffsets, ...this.#validity.finish() }
    this.#offsets = new Int32Array(this.#rowsMax + 1)
    this.#bytes = new Uint8Array(this.#bytes.length)
    this.#end = 0
    return makeData(made as Parameters<typeof makeData>[0])
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#end + bytes))
    larger.set(this.#bytes.subarray(0, this.#end))
    this.#bytes = larger
  }
}

class ListColumn implements ArrowColumn {
  readonly #kind: ColumnKind & { kind: 'list' }
  #values: RowValue[] = []
  textBytes = 0

  constructor(kind: ColumnKind & { kind: 'list' }) {
    this.#kind = kind
  }

  add(chunk: EngineChunk, column: number): void {
    for (const value of chunk.values(column) as ({ readonly items: readonly unknown[] } | null)[]) {
      const items = value === null ? null : value.items.map(rowValue)
      for (const item of items ?? []) this.textBytes += typeof item === 'string' ? item.length : 1
      this.#values.push(items)
    }
  }

  finish(): Data {
    const values = this.#values
    this.#values = []
    this.textBytes = 0
    return arrowData(this.#kind, values)
  }
}

function rowValue(value: unknown): RowValue {
  return value === null || typeof value === 'boolean' ? value : String(value)
}
