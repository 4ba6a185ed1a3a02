/** The values of an answer that is JSON text, with all digits of their numbers. */
import type { SqlColumn } from '#core/compiled.ts'

/** A value as JSON has it, but numbers as their text. */
export type RowValue = null | boolean | string | readonly RowValue[]

/** Rows as arrays of values, in the order of the columns. A value whose type is not known to formats keeps its JSON text. */
export function rowValues(rowsJson: string, columns: readonly SqlColumn[]): RowValue[][] {
  const rows = JSON.parse(rowsJson, withDigits) as Record<string, RowValue>[]
  return rows.map((row) => columns.map(({ name }) => row[name] ?? null))
}

function withDigits(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  return typeof value === 'number' ? context!.source! : value
}
