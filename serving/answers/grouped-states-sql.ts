/** The merged rows of a view as states of a grouping: from there on an answer is that of any view. */
import type { CompiledLookup } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { enrichedSql } from './lookup-sql.ts'
import { filteredSql, mergedSql, type StatesSql, statesOfView } from './merged-sql.ts'
import type { PlannedGrouping, QueryPlan } from './query-plan.ts'

export interface RowsSource {
  readonly states: StatesSql
  readonly range: AnswerRange
}

/**
 * What the rows of the plan are made from: the states themselves, or of a grouping those of its groups, of which no time is left.
 * @param states of the views that are asked for, neither filtered nor cut
 * @param dictionaries dictionary → relation of its pinned version
 */
export function rowsSource(
  plan: QueryPlan,
  states: StatesSql,
  range: AnswerRange,
  dictionaries: ReadonlyMap<string, string>,
  bound: BoundValues,
): RowsSource {
  if (plan.grouping === null) return { states, range }
  const { rows, view } = plan.grouping
  const merged = mergedRowsSql(plan.grouping, statesOfView(states, rows.view), range, dictionaries, bound)
  return {
    states: `(${view.partialSql(`(SELECT *, 0 AS _partition, 0 AS _offset, 0 AS _time FROM (${merged}))`)})`,
    range: {},
  }
}

/** A row for each combination of the dimensions, with the measures and lookups that the grouping reads. */
function mergedRowsSql(
  { rows, view }: PlannedGrouping,
  states: string,
  range: AnswerRange,
  dictionaries: ReadonlyMap<string, string>,
  bound: BoundValues,
): string {
  const merged = mergedSql(rows, filteredSql(rows.view, states, range, [], bound), namesOf(rows), bound)
  const lookups = rows.view.lookups.filter(({ name }) => view.reads.includes(name))
  if (lookups.length === 0) return merged
  const wanted = { ...rows, view: { ...rows.view, lookups } }
  const { sql, names } = enrichedSql(wanted, `SELECT *, row_number() OVER () AS _n FROM (${merged})`, dictionaries)
  const missing = lookups.filter(({ name }) => !names.includes(name)).map(absent)
  return missing.length === 0 ? sql : `SELECT *, ${missing.join(', ')} FROM (${sql})`
}

function namesOf({ measures }: QueryPlan): string[] {
  return measures.map(({ name }) => name)
}

/** Its dictionary has no version yet. */
function absent({ name, list }: CompiledLookup): string {
  return `NULL::${list ? 'VARCHAR[]' : 'VARCHAR'} AS ${quoteName(name)}`
}
