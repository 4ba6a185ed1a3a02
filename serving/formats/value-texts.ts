/** Values as texts with all of their digits, for formats that write each value as one text. */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { memberSql } from '../answers/answer-columns.ts'
import { type ColumnKind, columnKind } from './column-kinds.ts'
import type { RowValue } from './row-values.ts'

/** The text of a value that is there, for a kind of columns. */
export function textOfKind(kind: ColumnKind): (value: RowValue) => string {
  if (kind.kind === 'list') return (value) => listText(value, kind.element)
  if (kind.kind === 'decimal') return (value) => padded(String(value), kind.scale)
  return String
}

/** SQL of what `textOfKind` gives; the engine casts it to text. */
export function textSql(column: SqlColumn): string {
  const { kind } = columnKind(column.type)
  if (kind === 'list') return `to_json(${memberSql(column)})::VARCHAR`
  return kind === 'text' ? quoteName(column.name) : memberSql(column)
}

/** With all decimals of its type; JSON leaves out zeros at the end. */
function padded(number: string, scale: number): string {
  if (scale === 0) return number
  const [whole, fraction = ''] = number.split('.') as [string, string?]
  return `${whole}.${fraction.padEnd(scale, '0')}`
}

/** JSON text of a list; numbers with all of their digits. */
function listText(value: RowValue, element: ColumnKind): string {
  if (!Array.isArray(value)) return JSON.stringify(value)
  const isText = ['text', 'date', 'timestamp'].includes(element.kind)
  return `[${value.map((each) => (isText ? JSON.stringify(each) : String(each))).join(',')}]`
}
