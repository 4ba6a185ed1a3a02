/** The rows of an answer before they are filtered, ranked and limited: one per group, and one per group and bucket where gaps are filled. */
import { quoteName } from '#core/sql-names.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { bucketsSql, checkedSpanSql, filledValuesSql } from './filled-rows-sql.ts'
import { joinedRowsSql } from './joined-rows-sql.ts'
import { filteredSql, measuresNeeded, mergedSql, type StatesSql, statesOfView } from './merged-sql.ts'
import { fillOf } from './no-events.ts'
import type { QueryPlan } from './query-plan.ts'

/** @param states of the view, neither filtered nor cut */
export function groupRowsSql(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  const { sides } = plan
  const merged =
    sides === null ? ofOneView(plan, states, range, bound) : joinedRowsSql({ ...plan, sides }, states, range, bound)
  return plan.fill === null ? merged : filledGroupsSql({ ...plan, fill: plan.fill }, merged, range, bound)
}

function ofOneView(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  const source = filteredSql(plan.view, statesOfView(states, plan.view), range, plan.query.filters ?? [], bound)
  return mergedSql(plan, source, measuresNeeded(plan), bound)
}

function filledGroupsSql(
  plan: QueryPlan & { readonly fill: NonNullable<QueryPlan['fill']> },
  merged: string,
  { fromMs, toMs }: AnswerRange,
  bound: BoundValues,
): string {
  const keys = plan.dimensions.map(quoteName)
  const needed = measuresNeeded(plan)
  const measures = plan.view.measures
    .filter(({ name }) => needed.includes(name))
    .map((measure) => ({ name: measure.name, exactness: measure.exactness, fill: fillOf(plan.fill, measure) }))
  const time = (ms: number): string => `${bound.bind(BigInt(ms))}::BIGINT`
  const span = `SELECT ${time(fromMs!)} AS _lo, ${time(toMs! - 1)} AS _hi, (SELECT count(*) FROM _groups) AS _keyed`
  const ctes = [
    `_presented AS MATERIALIZED (${merged})`,
    // Without dimensions there is one group, whether it has events or not.
    `_groups AS MATERIALIZED (SELECT ${keys.length === 0 ? '1 AS _all' : `DISTINCT ${keys.join(', ')} FROM _presented`})`,
    `_span AS MATERIALIZED (${checkedSpanSql(plan.buckets!.grain, span)})`,
    // Nothing is left of a range whose detail was removed.
    `_buckets AS MATERIALIZED (${fromMs! < toMs! ? bucketsSql({ plan, bound }) : 'SELECT 0::BIGINT AS "time" WHERE false'})`,
    `_spine AS (SELECT ${['_buckets."time"', ...keys].join(', ')} FROM _groups CROSS JOIN _buckets)`,
  ]
  return `WITH ${ctes.join(', ')} ${filledValuesSql(keys, measures)}`
}
