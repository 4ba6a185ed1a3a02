/** The totals of an answer: its groups' states merged into one, so that distinct counts and quantiles are those of all of them. */

import type { CompiledMeasure } from '#core/compiled.ts'
import { parseWithDigits } from '#core/json-digits.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { memberSql } from './answer-columns.ts'
import type { AnswerRange, Totals } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { comparedRowsSql, comparedSql, valueIn } from './compared-rows-sql.ts'
import { joinedTotalSql } from './joined-rows-sql.ts'
import { filteredSql, groupedStates, havingSql, type StatesSql, statesOfView } from './merged-sql.ts'
import type { QueryPlan } from './query-plan.ts'

/**
 * SELECT of one row with the measures of all groups together; none where there are no events.
 * @param states of the view, neither filtered nor cut
 * @param kept relation of the groups that count; null: all
 */
export function totalSql(
  plan: QueryPlan,
  states: StatesSql,
  range: AnswerRange,
  { kept, measures }: { readonly kept: string | null; readonly measures: readonly CompiledMeasure[] },
  bound: BoundValues,
): string {
  const names = measures.map(({ name }) => name)
  const totalOf = (side: QueryPlan, wanted: readonly string[]): string => {
    const { view, query } = side
    const source = filteredSql(view, statesOfView(states, view), range, query.filters ?? [], bound)
    const of = kept === null ? source : ofGroupsSql(side, source, kept, bound)
    // Also without measures there is a row.
    if (wanted.length === 0) return `SELECT 1 AS _one FROM ${of} LIMIT 1`
    return view.presentSql(`(${view.mergeSql(of, [], wanted)})`, [], wanted)
  }
  return plan.sides === null ? totalOf(plan, names) : joinedTotalSql({ ...plan, sides: plan.sides }, names, totalOf)
}

/** The states of the groups. */
function ofGroupsSql(plan: QueryPlan, source: string, kept: string, bound: BoundValues): string {
  const { states, groups } = groupedStates(plan, source, bound)
  const key = (name: string): string => quoteName(`${name}#key`)
  const keyed = groups.map(({ name, sql }) => `, ${sql} AS ${key(name)}`)
  const same = groups.map(({ name }) => `_s.${key(name)} IS NOT DISTINCT FROM _g.${quoteName(name)}`)
  return `(SELECT _s.* FROM (SELECT *${keyed.join('')} FROM ${states}) AS _s SEMI JOIN ${kept} AS _g ON ${same.join(' AND ') || 'true'})`
}

/** The rows of the groups that pass `having`. */
export function keptSql(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  return `SELECT * FROM (${comparedRowsSql(plan, states, range, bound)})${havingSql(plan, bound)}`
}

/** @param bound what is bound in the states already; not changed */
export async function totalsOf(
  connection: EngineConnection,
  plan: QueryPlan,
  states: { readonly sql: StatesSql; readonly bound: BoundValues },
  range: AnswerRange,
): Promise<Totals> {
  const { measures, derived } = plan
  const bound = states.bound.copy()
  const isFiltered = havingSql(plan, bound.copy()) !== ''
  const kept = isFiltered ? `(${keptSql(plan, states.sql, range, bound)})` : null
  const { earlier } = range
  const isKept = earlier?.kept === undefined ? null : 'false'
  const of = (period: AnswerRange): string =>
    `(SELECT true AS _found, * FROM (${totalSql(plan, states.sql, period, { kept, measures }, bound)}))`
  const now = measures.flatMap((measure) => {
    const mark = quoteName(`${measure.name}__estimated`)
    const value = `${valueIn('_c', measure)} AS ${quoteName(measure.name)}`
    return measure.exactness.kind === 'sketch' ? [value, `coalesce(_c.${mark}, false) AS ${mark}`] : [value]
  })
  const current = `(SELECT ${now.join(', ') || '1 AS _none'} FROM (SELECT 1) LEFT JOIN ${of(range)} AS _c ON true) AS _t`
  const compared = derived.filter(({ kind }) => kind !== 'share')
  const rows =
    earlier === undefined
      ? current
      : `(SELECT ${['_t.*', ...compared.flatMap((column) => comparedSql({ fill: null }, column, '_t', isKept))].join(', ')} FROM ${current} LEFT JOIN ${of({ fromMs: earlier.fromMs, toMs: earlier.toMs })} AS _e ON true)`
  const columns = [...measures, ...compared]
  const members = columns.map((column) => `${quoteText(column.name)}, ${memberSql(column)}`)
  const sketches = [
    ...measures.filter(({ exactness }) => exactness.kind === 'sketch'),
    ...compared.filter((column) => column.of.exactness.kind === 'sketch'),
  ].map(({ name }) => name)
  const flags = sketches.map((name, at) => `, ${quoteName(`${name}__estimated`)} AS _f${at}`)
  const [found] = await connection.rows<{ readonly row: string } & Record<string, unknown>>(
    `SELECT json_object(${members.join(', ')})::VARCHAR AS "row"${flags.join('')} FROM ${rows}`,
    bound.parameters,
  )
  return {
    row: parseWithDigits(found!.row) as Totals['row'],
    estimated: new Set(sketches.filter((_, at) => found![`_f${at}`] === true)),
  }
}
