/** A question for raw events, and its limits. */
import { createHash } from 'node:crypto'
import type { CompiledDataset, SqlColumn } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import { type Comparison, QUERY_LIMITS } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import type { BoundValues } from '../answers/bound-values.ts'
import { checkFilter, filterSql } from '../answers/filter-sql.ts'
import { QueryError } from '../answers/query-error.ts'

/** Limits of one page of raw events, by name. A page that reaches one ends there, and its cursor goes on. */
export const EVENTS_LIMITS = {
  /** of a page */
  eventsMax: 1_000,
  eventsDefault: 100,
  /** files of closed segments that a page opens */
  eventFilesMax: 512,
  /** events that these files hold together; the file that reaches it is still read */
  eventRowsMax: 5_000_000,
  /** events behind the closed segments that a page decodes from the log */
  openEventsMax: 200_000,
  /** how long a page reads on; what it has begun to read is still read */
  pageMsMax: 3_000,
} as const

export type EventsLimits = { readonly [Name in keyof typeof EVENTS_LIMITS]: number }

/** A condition on one column of the events. */
export interface ColumnFilter extends Comparison {
  readonly column: string
}

export interface EventsQuery {
  readonly dataset: string
  /** value of the dataset's key column */
  readonly key?: string
  /** all must match */
  readonly filters: readonly ColumnFilter[]
  /** event time, epoch ms, `[from, to)` */
  readonly fromMs?: number
  readonly toMs?: number
  /** default: EVENTS_LIMITS.eventsDefault */
  readonly limit?: number
  /** of an earlier page of the same question */
  readonly cursor?: string
  /** whether the JSON of each event is wanted, too */
  readonly raw?: boolean
}

/** A question that was checked against the dataset. */
export interface EventsPlan {
  readonly query: EventsQuery
  readonly limit: number
  readonly conditions: readonly { readonly column: SqlColumn; readonly comparison: Comparison }[]
  /** tells the question from all others; limit, cursor and raw are no part of it */
  readonly hash: string
}

/** @param log identity of the log, where it is at hand: a cursor is not good for another one. @throws QueryError that names the parameter */
export function planEvents(dataset: CompiledDataset, query: EventsQuery, log: string | undefined): EventsPlan {
  const { key, filters, fromMs, toMs, limit = EVENTS_LIMITS.eventsDefault } = query
  if (!Number.isInteger(limit) || limit < 1 || limit > EVENTS_LIMITS.eventsMax)
    throw new QueryError('limit', `must be an integer from 1 to eventsMax = ${EVENTS_LIMITS.eventsMax}`)
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) throw new QueryError('to', 'must be after from')
  const { filtersMax } = QUERY_LIMITS
  if (filters.length > filtersMax)
    throw new QueryError('filter', `more than filtersMax = ${filtersMax} filters are given`)
  const ofKey = key === undefined ? [] : [keyCondition(dataset, key)]
  const conditions = [...ofKey, ...filters.map((filter) => conditionOf(dataset, filter))]
  const question = JSON.stringify([dataset.name, log ?? null, key, filters, fromMs, toMs])
  return { query, limit, conditions, hash: createHash('md5').update(question).digest('base64url').slice(0, 12) }
}

/** SQL condition over typed rows: the question's filters and time range. */
export function conditionSql({ query: { fromMs, toMs }, conditions }: EventsPlan, bound: BoundValues): string {
  const time = (operator: string, ms: number | undefined): string[] =>
    ms === undefined ? [] : [`_time ${operator} ${bound.bind(BigInt(ms))}::BIGINT`]
  const all = [
    ...time('>=', fromMs),
    ...time('<', toMs),
    ...conditions.map(({ column, comparison }) => filterSql(column, comparison, bound)),
  ]
  return all.length === 0 ? 'true' : all.join(' AND ')
}

/** The columns that the condition reads, as they are written in SQL. */
export function conditionColumns({ conditions }: EventsPlan): readonly string[] {
  return [...new Set(['_offset', '_time', ...conditions.map(({ column }) => quoteName(column.name))])]
}

function keyCondition({ columns, keyColumn }: CompiledDataset, key: string): EventsPlan['conditions'][number] {
  const column = columns.find(({ name }) => name === keyColumn)
  if (column === undefined) throw new QueryError('key', 'the dataset has no key; use filter')
  const comparison: Comparison = { operator: 'eq', values: [key] }
  try {
    checkFilter(column, comparison)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw new QueryError('key', error.message.replace(/^filter: /, ''))
  }
  return { column, comparison }
}

function conditionOf(dataset: CompiledDataset, filter: ColumnFilter): EventsPlan['conditions'][number] {
  const names = dataset.columns.map(({ name }) => name)
  const column = dataset.columns.find(({ name }) => name === filter.column)
  if (column === undefined)
    throw new QueryError('filter', `'${filter.column}' is unknown${nearest(filter.column, names)}`, names)
  checkFilter(column, filter)
  return { column, comparison: filter }
}
