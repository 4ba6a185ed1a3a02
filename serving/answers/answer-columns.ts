/** The columns of an answer's rows, whatever format they are written in. */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { isoSql, jsonValueSql } from './json-value.ts'
import type { QueryPlan } from './query-plan.ts'
import { WINDOW_END } from './window-series.ts'

/** Type of a row's `time`, at which its bucket begins, or `window_end`, at which its window ends; no other column has it. */
export const TIME_TYPE = 'TIMESTAMP WITH TIME ZONE'

/**
 * Time bucket or end of the window, dimensions, measures and lookups, in the order in which rows show them.
 * @param lookups names of those whose dictionary is at hand
 */
export function answerColumns(plan: QueryPlan, lookups: readonly string[]): SqlColumn[] {
  const { view, dimensions, values, derived } = plan
  return [
    ...timeColumns(plan),
    ...dimensions.map((name) => view.dimensions.find((dimension) => dimension.name === name)!),
    ...[...values, ...derived].map(({ name, type }) => ({ name, type })),
    ...lookups.map((name) => ({ name, type: isList(plan, name) ? 'VARCHAR[]' : 'VARCHAR' })),
  ]
}

function timeColumns({ buckets, windows }: QueryPlan): SqlColumn[] {
  if (windows !== null) return [{ name: WINDOW_END, type: TIME_TYPE }]
  return buckets === null ? [] : [{ name: 'time', type: TIME_TYPE }]
}

/** How many of an answer's columns tell a row from the others: the first ones. */
export function keyMembersOf(plan: QueryPlan): number {
  return timeColumns(plan).length + plan.dimensions.length
}

/** SQL expression of a column as a member of a row's JSON. */
export function memberSql(column: SqlColumn): string {
  return column.type === TIME_TYPE ? isoSql(momentSql(column)) : jsonValueSql(column)
}

/** SQL of a column's value with its engine type. In the rows' relation, the time of a row is a number of milliseconds. */
export function valueSql(column: SqlColumn): string {
  return column.type === TIME_TYPE ? momentSql(column) : quoteName(column.name)
}

function momentSql({ name }: SqlColumn): string {
  return `epoch_ms(${quoteName(name)})`
}

function isList({ view }: QueryPlan, lookup: string): boolean {
  return view.lookups.find(({ name }) => name === lookup)!.list
}
