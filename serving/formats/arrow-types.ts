/** The Arrow types of columns, and the schema of an answer. */
import {
  Bool,
  type DataType,
  DateDay,
  Decimal,
  Field,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  List,
  Schema,
  TimestampMicrosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import type { SqlColumn } from '#core/compiled.ts'
import { META_KEY } from './answer-format.ts'
import { type ColumnKind, columnKind } from './column-kinds.ts'

const DECIMAL_BITS = 128
const SIGNED = { 8: Int8, 16: Int16, 32: Int32, 64: Int64 } as const
const UNSIGNED = { 8: Uint8, 16: Uint16, 32: Uint32, 64: Uint64 } as const

export function arrowType(kind: ColumnKind): DataType {
  switch (kind.kind) {
    case 'boolean':
      return new Bool()
    case 'integer':
      return new (kind.signed ? SIGNED : UNSIGNED)[kind.bits]()
    case 'decimal':
      return new Decimal(kind.scale, kind.digits, DECIMAL_BITS)
    case 'double':
      return new Float64()
    case 'date':
      return new DateDay()
    case 'timestamp':
      return new TimestampMicrosecond('UTC')
    case 'list':
      return new List(new Field('item', arrowType(kind.element), true))
    case 'text':
      return new Utf8()
  }
}

/** @param metaJson the provenance, which the schema carries */
export function arrowSchema(columns: readonly SqlColumn[], metaJson: string): Schema {
  const fields = columns.map(({ name, type }) => new Field(name, arrowType(columnKind(type)), true))
  return new Schema(fields, new Map([[META_KEY, metaJson]]))
}
