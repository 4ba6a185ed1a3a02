/** The columns that are read from an event, as opposed to those that are derived from other columns. */
import type { ColumnDefinition, DatasetDefinition, DerivedColumn, ReadColumn } from './definition-parts.ts'

export function isDerived(column: ColumnDefinition): column is DerivedColumn {
  return column.as !== undefined
}

export function readColumns(columns: Readonly<Record<string, ColumnDefinition>>): Readonly<Record<string, ReadColumn>> {
  const read = Object.entries(columns).filter((entry): entry is [string, ReadColumn] => !isDerived(entry[1]))
  return Object.fromEntries(read)
}

/** Where a column's value is from, for people: its path, or its expression. */
export function originOf(column: ColumnDefinition): string {
  return isDerived(column) ? `= ${column.as}` : column.path
}

/** Whether an event's partition, or whether it is usable, depends on a derived column, which only the engine can tell. */
export function isDecidedByEngine({ columns, key, time }: DatasetDefinition): boolean {
  return Object.entries<ColumnDefinition>(columns).some(([name, column]) => decides(name, column, { key, time }))
}

/** Whether the column alone makes it so. */
export function decides(name: string, column: ColumnDefinition, { key, time }: { key: string; time: string }): boolean {
  return isDerived(column) && (name === key || name === time || column.required === true || column.onError === 'reject')
}
