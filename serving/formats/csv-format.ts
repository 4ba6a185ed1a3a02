/**
 * CSV (RFC 4180): a header line, fields quoted where needed, lines that end with LF. A missing value is an empty field, an empty text is
 * "". A text that a spreadsheet would take for a formula begins with an apostrophe.
 */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { type AnswerFormat, UNFRAMED } from './answer-format.ts'
import { type ColumnKind, columnKind } from './column-kinds.ts'
import { copyRows } from './copied-rows.ts'
import { type RowValue, rowValues } from './row-values.ts'
import { textOfKind, textSql } from './value-texts.ts'

export const CSV_FORMAT: AnswerFormat = {
  name: 'csv',
  extension: 'csv',
  contentType: 'text/csv; charset=utf-8; header=present',
  alsoKnownAs: [],
  write: async (rows, file) => {
    const values = rows.columns.map((column) => `${fieldSql(column)} AS ${quoteName(column.name)}`)
    await copyRows(rows, values, file, 'FORMAT csv, HEADER true')
    return UNFRAMED
  },
  encode: ({ columns, rowsJson }, { bom }) => `${bom ? '\uFEFF' : ''}${csvOf(columns, rowValues(rowsJson, columns))}`,
}

function csvOf(columns: readonly SqlColumn[], rows: readonly (readonly RowValue[])[]): string {
  const fields = columns.map(({ type }) => fieldOf(columnKind(type)))
  const lines = rows.map((row) => row.map((value, index) => (value === null ? '' : fields[index]!(value))).join(','))
  return [columns.map(({ name }) => quoted(name)).join(','), ...lines, ''].join('\n')
}

function fieldOf(kind: ColumnKind): (value: RowValue) => string {
  const textOf = textOfKind(kind)
  if (kind.kind === 'list') return (value) => quoted(textOf(value))
  if (kind.kind === 'text') return (value) => quoted(guarded(textOf(value)))
  return textOf
}

/** A field beginning so is a formula to a spreadsheet; with apostrophes before it, it could be one that was made safe. */
const FORMULA = /^'*[=+\-@\t\r\n]/

/** The text with one apostrophe more, where it looks like a formula. `unguarded` gives the text back. */
export function guarded(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text
}

/** The text of a field that `guarded` made: without the first apostrophe, where one was put before it. */
export function unguarded(field: string): string {
  return field.startsWith("'") && FORMULA.test(field) ? field.slice(1) : field
}

/** What FORMULA looks for, without apostrophes. */
const FORMULA_CODES = [...'=+-@\t\r\n'].map((character) => character.charCodeAt(0)).join(', ')

/** SQL of the field, as `csvOf` writes it; the engine quotes. */
function fieldSql(column: SqlColumn): string {
  const value = textSql(column)
  if (columnKind(column.type).kind !== 'text') return value
  const first = `ascii(${value})`
  const isGuarded = `${first} = 39 AND regexp_matches(${value}, '^''+[=+\\-@\\t\\r\\n]')`
  return `CASE WHEN ${first} IN (${FORMULA_CODES}) OR (${isGuarded}) THEN '''' || ${value} ELSE ${value} END`
}

function quoted(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
