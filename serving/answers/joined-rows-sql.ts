/** The rows of several views side by side: a group that any of them has is one row. */
import { quoteName } from '#core/sql-names.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { joinedName } from './joined-view.ts'
import { filteredSql, measuresNeeded, mergedSql, type StatesSql, statesOfView } from './merged-sql.ts'
import { ofNoEvents } from './no-events.ts'
import type { QueryPlan } from './query-plan.ts'

/** The plans of the views, and of their answer as one. */
export interface JoinedPlan extends QueryPlan {
  readonly sides: readonly QueryPlan[]
}

/** As `groupRowsSql`, without gaps filled. */
export function joinedRowsSql(plan: JoinedPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  const keys = [...(plan.buckets === null ? [] : ['time']), ...plan.dimensions].map(quoteName)
  const needed = measuresNeeded(plan)
  const sides = plan.sides.map((side, at) => {
    const own = namesOf(side, needed)
    const source = filteredSql(side.view, statesOfView(states, side.view), range, side.query.filters ?? [], bound)
    const columns = [...keys, ...renamed(side, own), `${at} AS _side`]
    // A view that shows nothing still has a group, if it has a row.
    const isShown = keys.length > 0 || own.length > 0
    const merged = isShown ? mergedSql(side, source, own, bound) : `SELECT 1 AS _any FROM ${source} LIMIT 1`
    return `SELECT ${columns.join(', ')} FROM (${merged})`
  })
  const values = plan.sides.flatMap((side, at) => valuesSql(side, namesOf(side, needed), `bool_or(_side = ${at})`))
  const group = keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`
  return `SELECT ${[...keys, ...values].join(', ')} FROM (${sides.join(' UNION ALL BY NAME ')}) ${group}`
}

/** One row of the totals of all views, each by its own SELECT. @param totalOf of a view, its measures by their own names */
export function joinedTotalSql(
  plan: JoinedPlan,
  measures: readonly string[],
  totalOf: (side: QueryPlan, measures: readonly string[]) => string,
): string {
  const sides = plan.sides.map((side, at) => {
    const own = namesOf(side, measures)
    return `SELECT ${[...renamed(side, own), `${at} AS _side`].join(', ')} FROM (${totalOf(side, own)})`
  })
  const values = plan.sides.flatMap((side, at) => valuesSql(side, namesOf(side, measures), `bool_or(_side = ${at})`))
  return `SELECT ${values.join(', ') || '1 AS _none'} FROM (${sides.join(' UNION ALL BY NAME ')}) HAVING count(*) > 0`
}

/** The view's measures among joined names, by their own names. */
function namesOf({ view }: QueryPlan, joined: readonly string[]): string[] {
  return view.measures.map(({ name }) => name).filter((name) => joined.includes(joinedName(view, name)))
}

function renamed({ view }: QueryPlan, names: readonly string[]): string[] {
  return view.measures
    .filter(({ name }) => names.includes(name))
    .flatMap(({ name, exactness }) => {
      const as = (suffix: string): string =>
        `${quoteName(name + suffix)} AS ${quoteName(joinedName(view, name) + suffix)}`
      return exactness.kind === 'sketch' ? [as(''), as('__estimated')] : [as('')]
    })
}

/** Each group has at most one row of a view; of one that has none, what no events give. */
function valuesSql({ view }: QueryPlan, names: readonly string[], isThere: string): string[] {
  return view.measures
    .filter(({ name }) => names.includes(name))
    .flatMap((measure) => {
      const value = quoteName(joinedName(view, measure.name))
      const mark = quoteName(`${joinedName(view, measure.name)}__estimated`)
      const shown = `CASE WHEN ${isThere} THEN any_value(${value}) ELSE ${ofNoEvents(measure) ?? 'NULL'} END AS ${value}`
      return measure.exactness.kind === 'sketch' ? [shown, `coalesce(any_value(${mark}), false) AS ${mark}`] : [shown]
    })
}
