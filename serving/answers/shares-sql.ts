/** Adds to the rows of an answer what each has of the total. */
import { quoteName } from '#core/sql-names.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import type { StatesSql } from './merged-sql.ts'
import type { QueryPlan } from './query-plan.ts'
import { keptSql, totalSql } from './totals.ts'

/** The rows that pass `having`, with their shares; the total is that of these rows, and there is no share of a total of 0. */
export function sharedRowsSql(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  const shares = plan.derived.filter(({ kind }) => kind === 'share')
  const kept = keptSql(plan, states, range, bound)
  const total = totalSql(plan, states, range, { kept: '_kept', measures: shares.map(({ of }) => of) }, bound)
  const columns = shares.flatMap(({ name, of }) => {
    const [value, mark] = [quoteName(of.name), quoteName(`${of.name}__estimated`)]
    const share = `_kept.${value}::DOUBLE / nullif(_total.${value}::DOUBLE, 0) + 0.0 AS ${quoteName(name)}`
    if (of.exactness.kind !== 'sketch') return [share]
    return [share, `coalesce(_kept.${mark} OR _total.${mark}, false) AS ${quoteName(`${name}__estimated`)}`]
  })
  return `WITH _kept AS MATERIALIZED (${kept}), _total AS MATERIALIZED (${total})
    SELECT ${['_kept.*', ...columns].join(', ')} FROM _kept LEFT JOIN _total ON true`
}
