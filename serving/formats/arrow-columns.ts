/** Columns of an export, as Arrow's buffers, filled from the engine's chunks without making a value of each. */
import { type Data, makeData } from 'apache-arrow'
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import { TextSpace } from '#storage/engine/text-space.ts'
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
  /** The column of the batch, valid until something is added, which is another batch's. */
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
  readonly #bits: Uint8Array
  #hasNulls = false
  #nulls = 0

  constructor(rowsMax: number) {
    this.#bits = new Uint8Array(Math.ceil(rowsMax / 8))
  }

  add(bits: Uint8Array | null, row: number, rows: number): void {
    if (bits === null && !this.#hasNulls) return
    const [from, to] = [row >> 3, Math.ceil((row + rows) / 8)]
    if (!this.#hasNulls) this.#bits.fill(0xff, 0, from)
    this.#hasNulls = true
    if (bits === null) {
      this.#bits.fill(0xff, from, to)
      return
    }
    this.#bits.set(bits.subarray(0, to - from), from)
    for (let at = 0; at < rows; at++) if ((bits[at >> 3]! & (1 << (at & 7))) === 0) this.#nulls++
  }

  finish(rows: number): { readonly nullCount: number; readonly nullBitmap?: Uint8Array } {
    const nullBitmap = this.#bits.subarray(0, Math.ceil(rows / 8))
    const made = this.#hasNulls ? { nullCount: this.#nulls, nullBitmap } : { nullCount: 0 }
    this.#hasNulls = false
    this.#nulls = 0
    return made
  }
}

const WIDTHS = { boolean: 1, double: 8, date: 4, timestamp: 8, decimal: 16 } as const

class FixedColumn implements ArrowColumn {
  readonly textBytes = 0
  readonly #kind: ColumnKind
  readonly #width: number
  readonly #validity: Validity
  readonly #bytes: Uint8Array

  constructor(kind: ColumnKind, rowsMax: number) {
    this.#kind = kind
    this.#width = kind.kind === 'integer' ? kind.bits / 8 : WIDTHS[kind.kind as keyof typeof WIDTHS]
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
    return makeData({ type, length: rows, data, ...this.#validity.finish(rows) } as Parameters<typeof makeData>[0])
  }
}

/** A bit for each byte. */
function packed(bytes: Uint8Array): Uint8Array {
  const bits = new Uint8Array(Math.ceil(bytes.length / 8))
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== 0) bits[at >> 3]! |= 1 << (at & 7)
  return bits
}

class TextColumn implements ArrowColumn {
  readonly #validity: Validity
  readonly #texts: TextSpace

  constructor(rowsMax: number) {
    this.#validity = new Validity(rowsMax)
    this.#texts = new TextSpace(rowsMax)
  }

  get textBytes(): number {
    return this.#texts.length
  }

  add(chunk: EngineChunk, column: number, row: number): void {
    this.#validity.add(chunk.validity(column), row, chunk.rows)
    chunk.appendTexts(column, this.#texts, row)
  }

  finish(rows: number): Data {
    const [valueOffsets, data] = [this.#texts.offsets(rows), this.#texts.bytes]
    this.#texts.empty()
    const made = { type: arrowType({ kind: 'text' }), length: rows, data, valueOffsets, ...this.#validity.finish(rows) }
    return makeData(made as Parameters<typeof makeData>[0])
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
