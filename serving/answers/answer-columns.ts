/** The columns of an answer's rows, whatever format they are written in. */
import type { SqlColumn } from '#core/compiled.ts'
import { isoSql, jsonValueSql } from './json-value.ts'
import type { QueryPlan } from './query-plan.ts'

/** Type of the `time` of a row: the moment at which its bucket begins. */
export const TIME_TYPE = 'TIMESTAMP WITH TIME ZONE'

/**
 * Time bucket, dimensions, measures and lookups, in the order in which rows show them.
 * @param lookups names of those whose dictionary is at hand
 */
export function answerColumns(plan: QueryPlan, lookups: readonly string[]): SqlColumn[] {
  const { view, buckets, dimensions, values, derived } = plan
  return [
    ...(buckets === null ? [] : [{ name: 'time', type: TIME_TYPE }]),
    ...dimensions.map((name) => view.dimensions.find((dimension) => dimension.name === name)!),
    ...[...values, ...derived].map(({ name, type }) => ({ name, type })),
    ...lookups.map((name) => ({ name, type: isList(plan, name) ? 'VARCHAR[]' : 'VARCHAR' })),
  ]
}

/** SQL expression of a column as a member of a row's JSON. In the rows' relation, `time` is a number of milliseconds. */
export function memberSql(column: SqlColumn): string {
  return column.name === 'time' ? isoSql('epoch_ms(time)') : jsonValueSql(column)
}

function isList({ view }: QueryPlan, lookup: string): boolean {
  return view.lookups.find(({ name }) => name === lookup)!.list
}
