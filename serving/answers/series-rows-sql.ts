/**
 * The SQL of a series' rows: states are merged and presented bucket by bucket, gaps are filled, columns are calculated along the rows of
 * each key, and only then are rows selected. What is read of the time before `from` is what the columns asked for depend on, so that a
 * row is the same wherever a query begins.
 */
import type { CompiledSeriesColumn, CompiledView, GroupBy } from '#core/compiled.ts'
import { type Condition, leavesOf } from '#core/condition.ts'
import type { Filter } from '#core/query.ts'
import { calculatedSql } from '#core/series/series-sql.ts'
import { quoteName } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'
import { longestMs } from './bucket-lengths.ts'
import { assertRecurring, earlierReachMs, walledSql } from './earlier-rows-sql.ts'
import { filledSql } from './filled-rows-sql.ts'
import { dimensionsSql, filteredSql, groupedStates, rankedSql } from './merged-sql.ts'
import { needsOf, type SeriesNeeds, type SeriesPlan } from './series-needs.ts'

/** The ranked and limited rows, as answerSql gives those of a view. @param states of the view, neither filtered nor cut */
export function seriesRowsSql(plan: SeriesPlan, states: string, bound: BoundValues): string {
  const { query, dimensions, view } = plan
  assertRecurring(plan)
  const needs = needsOf(plan)
  const filters = query.filters ?? []
  const isOfKeys = (condition: Condition<Filter>): boolean =>
    leavesOf([condition]).every(({ dimension }) => dimensions.includes(dimension))
  const ofKeys = filters.filter(isOfKeys)
  const others = filters.filter((condition) => !isOfKeys(condition))
  // Where no column depends on other keys, keys that are not asked for need not be read.
  const [before, after] = needs.across ? [others, ofKeys] : [filters, []]
  const fromMs = query.fromMs === undefined ? null : `${bound.bind(BigInt(query.fromMs))}::BIGINT`
  const end = query.toMs === undefined ? {} : { toMs: query.toMs + longestMs(plan.buckets!.grain) }
  const { states: found, groups } = groupedStates(plan, filteredSql(view, states, end, before, bound), bound)
  const keys = dimensions.map(quoteName)
  const until = query.toMs === undefined ? '' : ` WHERE _time < ${bound.bind(BigInt(query.toMs))}::BIGINT`
  const timed = `(SELECT * FROM (SELECT *, ${groups[0]!.sql} AS _time FROM ${found})${until})`
  const needed = neededSql(plan, needs, fromMs)
  const ctes = [
    `_keys AS MATERIALIZED (SELECT DISTINCT ${['_time AS "time"', ...keys].join(', ')} FROM ${timed})`,
    `_needed AS MATERIALIZED (${needed ?? 'SELECT * FROM _keys'})`,
    `_presented AS (${presentedSql(plan, needs, needed === null ? timed : restrictedSql(timed, keys))})`,
  ]
  const rows =
    plan.series.fill === null
      ? '_presented'
      : filledSql({ plan, needs, states: filteredSql(view, states, {}, others, bound), fromMs, bound })
  const conditions = [
    ...(fromMs === null ? [] : [`"time" >= ${fromMs}`]),
    ...after.map((condition) => dimensionsSql(view, condition, bound)),
  ]
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
  const walled = needs.reachMs === 0 ? rows : walledSql(plan, rows, filteredSql(view, states, {}, others, bound), bound)
  const calculated = markedSql(calculatedSql(walled, needs.steps, dimensions), plan)
  return rankedSql(plan, `WITH ${ctes.join(', ')} SELECT * FROM ${calculated}${where}`, bound)
}

/** Measures of which a column's values can be estimates, although those of other answers are exact. */
export function sketchesOf({ measures }: CompiledView, column: CompiledSeriesColumn): string[] {
  return measures
    .filter(({ name, exactness }) => exactness.kind === 'sketch' && column.measures.includes(name))
    .map(({ name }) => name)
}

/** Of the keys and times that there are, those whose rows are needed; null: all. */
function neededSql(
  { series, dimensions, buckets }: SeriesPlan,
  needs: SeriesNeeds,
  fromMs: string | null,
): string | null {
  const { rowsBack, across } = needs
  const { grain } = buckets!
  if (fromMs === null || rowsBack === null) return null
  const isFilled = series.fill !== null
  // With gaps filled, rows are as frequent as buckets; and a row that is added can show what is in the one before it.
  const backMs = earlierReachMs(needs, grain) + (isFilled ? rowsBack * longestMs(grain) : 0)
  const [since, count] = [backMs === 0 ? fromMs : `(${fromMs} - ${backMs})`, isFilled ? 1 : rowsBack]
  const within = [...dimensions.map(quoteName), `"time" < ${since}`].join(', ')
  const rows = `SELECT * FROM _keys QUALIFY "time" >= ${since} OR row_number() OVER (PARTITION BY ${within} ORDER BY "time" DESC) <= ${count}`
  // A column that compares keys needs all of them at each of these times.
  return across ? `SELECT * FROM _keys WHERE "time" >= (SELECT min("time") FROM (${rows}))` : rows
}

function restrictedSql(timed: string, keys: readonly string[]): string {
  const same = ['_s._time = _needed."time"', ...keys.map((key) => `_s.${key} IS NOT DISTINCT FROM _needed.${key}`)]
  return `(SELECT _s.* FROM ${timed} AS _s SEMI JOIN _needed ON ${same.join(' AND ')})`
}

function presentedSql({ view, dimensions }: SeriesPlan, { measures }: SeriesNeeds, states: string): string {
  const groups: GroupBy[] = [
    { name: 'time', sql: '_time' },
    ...dimensions.map((name) => ({ name, sql: quoteName(name) })),
  ]
  return view.presentSql(
    `(${view.mergeSql(states, groups, measures)})`,
    groups.map(({ name }) => name),
    measures,
  )
}

/** A column is an estimate if any row that was calculated with has an estimate of its measures. */
function markedSql(rows: string, { view, columns }: SeriesPlan): string {
  const marks = columns.flatMap((column) => {
    const sketches = sketchesOf(view, column).map((name) => quoteName(`${name}__estimated`))
    return sketches.length === 0
      ? []
      : [`bool_or(${sketches.join(' OR ')}) OVER () AS ${quoteName(`${column.name}__estimated`)}`]
  })
  return marks.length === 0 ? rows : `(SELECT *, ${marks.join(', ')} FROM ${rows})`
}
