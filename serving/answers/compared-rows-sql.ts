/** Puts beside the rows of an answer what they were in an earlier period, of the same states. */
import type { CompiledMeasure } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { AnswerRange } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { isDays } from './bucket-lengths.ts'
import type { DerivedColumn } from './derived-columns.ts'
import type { EarlierPeriod, Shift } from './earlier-period.ts'
import { groupRowsSql } from './group-rows-sql.ts'
import type { StatesSql } from './merged-sql.ts'
import { ofNoEvents } from './no-events.ts'
import type { QueryPlan } from './query-plan.ts'

/** As `groupRowsSql`, with the columns of the comparison if there is one. */
export function comparedRowsSql(plan: QueryPlan, states: StatesSql, range: AnswerRange, bound: BoundValues): string {
  const { earlier } = range
  const current = groupRowsSql(plan, states, range, bound)
  if (earlier === undefined) return current
  const before = groupRowsSql(plan, states, { fromMs: earlier.fromMs, toMs: earlier.toMs }, bound)
  const same = plan.dimensions.map(quoteName).map((key) => `_e.${key} IS NOT DISTINCT FROM _current.${key}`)
  const isTimed = plan.buckets !== null
  const times = isTimed ? `, ${timesSql(plan, earlier, bound)}` : ''
  const joined = isTimed
    ? `_current JOIN _current_at ON _current_at."time" = _current."time" LEFT JOIN (SELECT _before.*, _key, true AS _found FROM _before JOIN _before_at ON _before_at."time" = _before."time") AS _e ON ${['_e._key = _current_at._key', ...same].join(' AND ')}`
    : `_current LEFT JOIN (SELECT *, true AS _found FROM _before) AS _e ON ${same.join(' AND ') || 'true'}`
  const kept = keptSql(plan, earlier, bound)
  const columns = plan.derived.flatMap((column) => comparedSql(plan, column, '_current', kept))
  return `WITH _current AS MATERIALIZED (${current}), _before AS MATERIALIZED (${before})${times}
    SELECT ${['_current.*', ...columns].join(', ')} FROM ${joined}`
}

/**
 * _current_at and _before_at: the times of the rows, and the key by which they are compared. An hour that a clock change repeated is
 * compared with by its first occurrence.
 */
function timesSql(plan: QueryPlan, { shift }: EarlierPeriod, bound: BoundValues): string {
  const grain = plan.buckets!.grain
  const isWall = isByWall(plan, shift)
  const step = shift.unit === 'ms' ? `${shift.by}` : `${shift.by * 86_400_000}`
  const wall = wallSql(plan, '"time"', bound)
  const local = isDays(grain) ? `date_trunc(${quoteText(grain)}, ${wall})` : wall
  const interval =
    shift.unit === 'months' ? `to_months(${shift.by})` : `to_days(${shift.unit === 'days' ? shift.by : 0})`
  const [now, then] = isWall ? [`${local} - ${interval}`, local] : [`"time" - ${step}`, '"time"']
  const of = (rows: string, key: string): string =>
    `SELECT "time", ${key} AS _key FROM (SELECT DISTINCT "time" FROM ${rows})`
  const first = `QUALIFY row_number() OVER (PARTITION BY _key ORDER BY "time") = 1`
  return `_current_at AS MATERIALIZED (${of('_current', now)}), _before_at AS MATERIALIZED (SELECT * FROM (${of('_before', then)}) ${first})`
}

function isByWall({ timezone }: QueryPlan, { unit }: Shift): boolean {
  return unit === 'months' || (unit === 'days' && timezone !== 'UTC')
}

/** @param ms SQL of a time, epoch ms */
function wallSql({ timezone }: QueryPlan, ms: string, bound: BoundValues): string {
  return timezone === 'UTC'
    ? `epoch_ms(${ms})`
    : `timezone(${bound.bind(timezone)}::VARCHAR, make_timestamptz(${ms} * 1000))`
}

/** Whether a row can be compared: all of what it is compared with is kept. null: every row can. */
function keptSql(plan: QueryPlan, { shift, kept }: EarlierPeriod, bound: BoundValues): string | null {
  if (kept === undefined) return null
  if (kept === null || plan.buckets === null) return 'false'
  const key = (ms: number): string => (isByWall(plan, shift) ? wallSql(plan, `${ms}::BIGINT`, bound) : `${ms}::BIGINT`)
  const bounds = [
    ...(kept.fromMs === undefined ? [] : [`_current_at._key >= ${key(kept.fromMs)}`]),
    ...(kept.toMs === undefined ? [] : [`_current_at._key < ${key(kept.toMs)}`]),
  ]
  return bounds.join(' AND ') || null
}

/**
 * A row's value in a period; of a group that had no events there, what no events give, unless gaps show something else.
 * @param kept SQL condition without which nothing is known of it; null: all is
 */
export function valueIn(
  alias: string,
  measure: Pick<CompiledMeasure, 'name' | 'kind'>,
  fill: QueryPlan['fill'] = null,
  kept: string | null = null,
): string {
  const absent = fill === null || fill === 'zero' ? (ofNoEvents(measure) ?? 'NULL') : 'NULL'
  const unknown = kept === null ? '' : `WHEN NOT (${kept}) THEN NULL `
  return `CASE ${unknown}WHEN ${alias}._found THEN ${alias}.${quoteName(measure.name)} ELSE ${absent} END`
}

/**
 * The columns of a comparison with the rows `_e`; nothing for other columns.
 * @param current alias of the rows with the measures
 * @param kept as of `valueIn`
 */
export function comparedSql(
  { fill }: Pick<QueryPlan, 'fill'>,
  { name, type, kind, of }: DerivedColumn,
  current: string,
  kept: string | null,
): string[] {
  if (kind === 'share') return []
  const [now, before] = [`${current}.${quoteName(of.name)}`, valueIn('_e', of, fill, kept)]
  const value = {
    previous: `(${before})::${type}`,
    difference: `(${now}::${type} - (${before})::${type})::${type}`,
    ratio: `${now}::DOUBLE / nullif((${before})::DOUBLE, 0) + 0.0`,
  }[kind]
  if (of.exactness.kind !== 'sketch') return [`${value} AS ${quoteName(name)}`]
  const mark = quoteName(`${of.name}__estimated`)
  const marks = [`coalesce(_e.${mark}, false)`, ...(kind === 'previous' ? [] : [`coalesce(${current}.${mark}, false)`])]
  return [`${value} AS ${quoteName(name)}`, `(${marks.join(' OR ')}) AS ${quoteName(`${name}__estimated`)}`]
}
