/**
 * Limits of the values that a view keeps once per key: its dimensions, and measures that keep a value. A few large ones would fill the
 * memory of every engine that merges states, so an event with a larger one is unusable. What counts is the typed row alone: every
 * process decides alike.
 */

import { DEFINITION_LIMITS } from './definition-limits.ts'
import type {
  ColumnDefinition,
  DatasetDefinition,
  MeasureDefinition,
  ReadColumn,
  ViewDefinition,
} from './definition-parts.ts'
import type { JsonPath } from './json-path.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { readColumns } from './read-columns.ts'
import { quoteName, quoteText } from './sql-names.ts'

type SizeLimit = 'dimensionBytesMax' | 'measureBytesMax'

/** Measures whose state is a value itself. */
export const KEEPS_VALUE: ReadonlySet<MeasureDefinition['kind']> = new Set([
  ...(['first', 'latest', 'min', 'max'] as const),
  ...(['maxBy', 'minBy'] as const),
])

/** A value of unlimited length that a view keeps. */
export interface SizedValue {
  /** for example: dimension 'country' of view 'trips' */
  readonly what: string
  readonly limit: SizeLimit
  /** SQL over a typed row: its size in bytes; NULL if there is none */
  readonly bytesSql: string
}

/** A name for each element of a list. */
export interface Unnested {
  readonly name: string
  /** SQL of the list */
  readonly list: string
}

export interface SizedInput {
  readonly what: string
  readonly limit: SizeLimit
  readonly sql: string
  readonly type: string
  readonly unnest: readonly Unnested[]
  readonly columns: Readonly<Record<string, ColumnDefinition>>
}

/** Null if every value of the type is small. */
export function sizedValue({ what, limit, sql, type, unnest, columns }: SizedInput): SizedValue | null {
  const isList = type.endsWith('[]')
  if (type !== 'VARCHAR' && !isList) return null
  const elements = `list_transform(${sql}, lambda _e: coalesce(strlen(_e::VARCHAR), 0) + 1)`
  let bytesSql = isList ? `list_sum(${elements})` : `strlen(${sql})`
  if (Object.keys(columns).some((name) => sql === quoteName(name))) return { what, limit, bytesSql }
  const element = unnest.find(({ name }) => sql === quoteName(name))
  // An expression can name any of them.
  for (const { name, list } of element === undefined ? unnest.toReversed() : [element])
    bytesSql = `list_max(list_transform(${list}, lambda ${quoteName(name)}: ${bytesSql}))`
  return { what, limit, bytesSql }
}

/** SQL condition over a typed row for each way in which it can be too large. */
export function tooLargeConditions(values: readonly SizedValue[]): string[] {
  return [...new Set(values.map(({ bytesSql, limit }) => `${bytesSql} > ${DEFINITION_LIMITS[limit]}`))]
}

/** SQL over a typed row: why it is too large; NULL if it is not. */
export function tooLargeReasonSql(values: readonly SizedValue[]): string {
  const cases = values.map(({ what, bytesSql, limit }) => {
    const max = DEFINITION_LIMITS[limit]
    const text = [`${what} has `, ` bytes, but the limit ${limit} is ${max}`].map(quoteText)
    return `WHEN ${bytesSql} > ${max} THEN ${text[0]} || (${bytesSql}) || ${text[1]}`
  })
  return cases.length === 0 ? 'NULL' : `CASE ${cases.join(' ')} END`
}

/** A column with a limit, for validation at ingest. */
export interface SizedColumn {
  readonly name: string
  readonly column: ReadColumn
  readonly path: JsonPath
  readonly limit: SizeLimit
  readonly max: number
  /** of each element of the list, not of the list */
  readonly each: boolean
}

/** The columns whose values, or elements, are kept as they are, with the lowest of their limits. What expressions give, only the engine can tell. */
export function sizedColumns({ columns: all, views }: DatasetDefinition): SizedColumn[] {
  const columns: Readonly<Record<string, ReadColumn | undefined>> = readColumns(all)
  const found = new Map<string, SizedColumn>()
  const add = (expression: string | undefined, limit: SizeLimit, unnest: ViewDefinition['unnest']): void => {
    const list = unnest?.[expression?.trim() ?? '']
    const name = list ?? expression?.trim() ?? ''
    const column = columns[name]
    if (column === undefined || !(column.type === 'VARCHAR' || column.type.endsWith('[]'))) return
    const max = DEFINITION_LIMITS[limit]
    const key = `${name} ${list !== undefined}`
    if (max < (found.get(key)?.max ?? Number.POSITIVE_INFINITY))
      found.set(key, { name, column, path: parseJsonPath(column.path)!, limit, max, each: list !== undefined })
  }
  for (const { dimensions, measures, unnest } of Object.values(views)) {
    for (const expression of Object.values(dimensions)) add(expression, 'dimensionBytesMax', unnest)
    for (const { kind, expression, where } of Object.values<MeasureDefinition>(measures))
      if (KEEPS_VALUE.has(kind) && where === undefined) add(expression, 'measureBytesMax', unnest)
  }
  return [...found.values()]
}

/** Why a value of the event is too large, as a sentence; null if none is. The engine decides on values that it converts to text. */
export function whyTooLarge(event: object, sized: readonly SizedColumn[]): string | null {
  for (const { name, column, path, limit, max, each } of sized) {
    const value = valueAt(event, path)
    const bytes = each ? Math.max(0, ...elementsOf(value).map(textBytes)) : bytesOf(value)
    if (bytes > max) return `${name} (${column.path}): has ${bytes} bytes, but the limit ${limit} is ${max}`
  }
  return null
}

function bytesOf(value: unknown): number {
  return Array.isArray(value) ? value.reduce<number>((sum, item) => sum + textBytes(item) + 1, 0) : textBytes(value)
}

function elementsOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textBytes(value: unknown): number {
  if (value === undefined || value === null) return 0
  return Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
}
