/** Rows with their gaps filled. Those of a series: each key has a row in every bucket from its first one to the newest one of all keys. */
import type { CompiledMeasure } from '#core/compiled.ts'
import type { SeriesFill } from '#core/definition-parts.ts'
import { type FixedGrain, GRAIN_MS, type Grain } from '#core/grains.ts'
import { QUERY_LIMITS } from '#core/query.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'
import { isDays, longestMs, shortestMs } from './bucket-lengths.ts'
import { earlierReachMs } from './earlier-rows-sql.ts'
import type { QueryPlan } from './query-plan.ts'
import type { SeriesNeeds, SeriesPlan } from './series-needs.ts'
import { timeBucketSql } from './time-bucket.ts'

/** Begins the engine's error message if there would be too many rows; their number follows. */
const TOO_MANY = 'watershed: rows with filled gaps'

/** no zone's hour is cut into pieces that are shorter */
const ZONE_STEP_MS = GRAIN_MS['15m']
const HALF_DAY_MS = 12 * GRAIN_MS.hour

/** The number of rows that filling gaps would need, if an error of the engine says so; null for other errors. */
export function filledRowsOf(message: string): number | null {
  const match = new RegExp(`${TOO_MANY} (\\d+)`).exec(message)
  return match && Number(match[1])
}

export interface FillParts {
  readonly plan: SeriesPlan
  readonly needs: SeriesNeeds
  /** states of all keys and times: the newest one says where gaps end */
  readonly states: string
  readonly fromMs: string | null
  readonly bound: BoundValues
}

/** A relation over `_keys`, `_needed` and `_presented` (series-rows-sql.ts). */
export function filledSql(parts: FillParts): string {
  const { plan, needs } = parts
  const keys = plan.dimensions.map(quoteName)
  const listed = (...more: readonly string[]): string => [...more, ...keys].join(', ')
  const group = keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`
  const ctes = [
    `_first AS MATERIALIZED (SELECT ${listed('min("time") AS _first')} FROM _keys ${group})`,
    `_span AS MATERIALIZED (${spanSql(parts)})`,
    `_buckets AS MATERIALIZED (${bucketsSql(parts)})`,
    `_spine AS (SELECT ${listed('_buckets."time"')} FROM _first JOIN _buckets ON _buckets."time" >= _first UNION SELECT ${listed('"time"')} FROM _needed)`,
  ]
  const measures = needs.measures.map((name) => ({
    ...plan.view.measures.find((one) => one.name === name)!,
    fill: plan.series.fill!.get(name)!,
  }))
  return `(WITH ${ctes.join(', ')} ${filledValuesSql(keys, measures)})`
}

/** A measure, and what it shows where there are no events. */
export interface FilledMeasure extends Pick<CompiledMeasure, 'name' | 'exactness'> {
  readonly fill: SeriesFill
}

/** The rows of `_spine`, each with the values of `_presented`, or of no events. @param keys quoted names */
export function filledValuesSql(keys: readonly string[], measures: readonly FilledMeasure[]): string {
  const listed = (...more: readonly string[]): string => [...more, ...keys].join(', ')
  const same = ['_p."time" = _spine."time"', ...keys.map((key) => `_p.${key} IS NOT DISTINCT FROM _spine.${key}`)]
  const joined = `SELECT _spine.*, _p.* EXCLUDE (${listed('"time"')}), _p."time" IS NOT NULL AS _real FROM _spine LEFT JOIN _presented AS _p ON ${same.join(' AND ')}`
  const by = keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')} `
  // Not count(*) FILTER: over a window without a lower end the engine (1.5.6) counts each row's anew.
  const grouped = `SELECT *, sum(_real::INTEGER) OVER (${by}ORDER BY "time" ROWS UNBOUNDED PRECEDING) AS _nth FROM (${joined})`
  const previous = `OVER (PARTITION BY ${listed('_nth')} ORDER BY "time" ROWS UNBOUNDED PRECEDING)`
  const values = measures.flatMap(({ name, exactness, fill }) => {
    const [value, mark] = [quoteName(name), quoteName(`${name}__estimated`)]
    const filled = (of: string, absent: string): string =>
      fill === 'previous'
        ? `first_value(${of}) ${previous} AS ${of}`
        : `CASE WHEN _real THEN ${of} ELSE ${absent} END AS ${of}`
    return [filled(value, fill === 0 ? '0' : 'NULL'), ...(exactness.kind === 'sketch' ? [filled(mark, 'false')] : [])]
  })
  return `SELECT ${listed('"time"')}${values.map((value) => `, ${value}`).join('')} FROM (${grouped})`
}

/** _lo, _hi: from where to where buckets are needed. An error of the engine if they would be too many. */
function spanSql({ plan, needs, states, fromMs, bound }: FillParts): string {
  const { grain, paneMs } = plan.buckets!
  const back = needs.rowsBack
  const lo =
    fromMs === null || back === null
      ? 'min(_first)'
      : `greatest(min(_first), ${fromMs} - ${back * longestMs(grain) + earlierReachMs(needs, grain)})`
  const newest = `(SELECT ${timeBucketSql(grain, plan.timezone, paneMs, bound)} FROM (SELECT max(pane) AS pane FROM ${states}) WHERE pane IS NOT NULL)`
  const { toMs } = plan.query
  const hi = toMs === undefined ? newest : `least(${newest}, ${bound.bind(BigInt(toMs - 1))}::BIGINT)`
  return checkedSpanSql(grain, `SELECT ${lo} AS _lo, ${hi} AS _hi, count(*) AS _keyed FROM _first`)
}

/** _lo, _hi of a SELECT that also gives the number of keys, _keyed. */
export function checkedSpanSql(grain: Grain, span: string): string {
  const rows = `(_keyed * greatest(0, (_hi - _lo) // ${shortestMs(grain)} + 1))`
  const checked = `CASE WHEN ${rows} > ${QUERY_LIMITS.filledRowsMax} THEN error(${quoteText(`${TOO_MANY} `)} || ${rows}::VARCHAR) ELSE _hi END AS _hi`
  return `SELECT _lo, ${checked} FROM (${span})`
}

export interface BucketParts {
  readonly plan: Pick<QueryPlan, 'buckets' | 'timezone'>
  readonly bound: BoundValues
}

/** The starts of all buckets from _lo to _hi of `_span`. */
export function bucketsSql({ plan, bound }: BucketParts): string {
  const { grain, paneMs } = plan.buckets!
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  const aligned = (stepMs: number): string => `_lo - ((_lo % ${stepMs}) + ${stepMs}) % ${stepMs}`
  if (plan.timezone === 'UTC' && fixedMs !== undefined)
    return `SELECT unnest(range(${aligned(fixedMs)}, _hi + 1, ${fixedMs})) AS "time" FROM _span`
  if (plan.timezone === 'UTC') {
    const step = grain === 'quarter' ? '3 month' : `1 ${grain}`
    return `SELECT epoch_ms(unnest(generate_series(date_trunc(${quoteText(grain)}, epoch_ms(_lo)), epoch_ms(_hi), INTERVAL ${step}))) AS "time" FROM _span`
  }
  // So close together that every bucket has one of them.
  const wantedMs = isDays(grain) ? HALF_DAY_MS : Math.min(fixedMs!, ZONE_STEP_MS)
  const stepMs = Math.max(1, Math.floor(wantedMs / paneMs)) * paneMs
  // Not beyond the last one: whether the zone cuts a pane that nobody asks for does not matter.
  const last = `_hi - ((_hi % ${paneMs}) + ${paneMs}) % ${paneMs}`
  const panes = `SELECT least(unnest(range(${aligned(paneMs)}, _hi + ${stepMs}, ${stepMs})), ${last}) AS pane FROM _span`
  const buckets = `SELECT DISTINCT ${timeBucketSql(grain, plan.timezone, paneMs, bound)} AS "time" FROM (${panes})`
  return `SELECT "time" FROM (${buckets}) WHERE "time" <= (SELECT _hi FROM _span)`
}
