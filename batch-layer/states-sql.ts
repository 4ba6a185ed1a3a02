/** The SQL by which a batch run reads, places and merges the states of files. */
import type { CompiledView } from '#core/compiled.ts'
import { keySlotSql } from '#core/key-slots.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import { quoteName } from '#core/sql-names.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { isSameRange, rangeOf, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'

export type ResolveFile = (file: LakeFile) => string

/** Rows of several files that were written once in the order of their slots (BatchCompute.spread), so that those of a range are read alone. */
export interface SpreadRows {
  /** absolute */
  readonly path: string
  /** how many of them are in the range that is asked for */
  readonly rows: number
}

/** Relation of the states of the files in the range, and of spread rows in it. Files that are in it as a whole need not be looked at. */
export function statesWithin(
  view: CompiledView,
  files: readonly StateFile[],
  range: StateRange,
  resolve: ResolveFile,
  spread?: Pick<SpreadRows, 'path'>,
): string {
  const own = files.filter((file) => isSameRange(rangeOf(file), range))
  const others = files.filter((file) => !own.includes(file))
  const parts = [
    ...(own.length === 0 ? [] : [readParquetSql(own.map(resolve))]),
    ...(others.length === 0 ? [] : [withinSql(view, readParquetSql(others.map(resolve)), range)]),
    ...(spread === undefined ? [] : [spreadWithinSql(spread.path, range)]),
  ]
  return parts.length === 1
    ? parts[0]!
    : `(${parts.map((part) => `SELECT * FROM ${part}`).join(' UNION ALL BY NAME ')})`
}

/** Relation of the rows of a file in the order of `_slot` that are in the range, without that column. */
export function spreadWithinSql(path: string, { fromSlot, beforeSlot }: StateRange): string {
  return `(SELECT * EXCLUDE (_slot) FROM ${readParquetSql([path])} WHERE ${conditionsSql('_slot', fromSlot, beforeSlot)})`
}

export function withinSql(
  view: CompiledView,
  relation: string,
  { fromMs, beforeMs, fromSlot, beforeSlot }: StateRange,
): string {
  const conditions = [
    conditionsSql('pane', fromMs, beforeMs),
    fromSlot === undefined ? '' : conditionsSql(keySlotSql(view.dimensions)!, fromSlot, beforeSlot),
  ].filter((condition) => condition !== '')
  return conditions.length === 0 ? relation : `(SELECT * FROM ${relation} WHERE ${conditions.join(' AND ')})`
}

function conditionsSql(value: string, from: number | undefined, before: number | undefined): string {
  const conditions = [
    ...(from === undefined ? [] : [`${value} >= ${from}::BIGINT`]),
    ...(before === undefined ? [] : [`${value} < ${before}::BIGINT`]),
  ]
  return conditions.join(' AND ')
}

/** The place in `ranges` of the rows of a relation, and how many there are: by the value that ranges of panes, or of slots, are of. */
export function rowsInSql(relation: string, value: 'pane' | '_slot', ranges: readonly StateRange[]): string {
  const { MIN_SAFE_INTEGER, MAX_SAFE_INTEGER } = Number
  const bounds = ranges.map(({ fromMs, beforeMs, fromSlot, beforeSlot }, at) => {
    const [lower, upper] =
      value === '_slot' ? [fromSlot, beforeSlot] : [fromMs ?? MIN_SAFE_INTEGER, beforeMs ?? MAX_SAFE_INTEGER]
    return `(${at}, ${lower}::BIGINT, ${upper}::BIGINT)`
  })
  return `SELECT place, sum(n)::BIGINT AS n FROM (SELECT ${value} AS place_of, count(*) AS n FROM ${relation} GROUP BY 1) AS places
    JOIN (VALUES ${bounds.join(', ')}) AS bounds(place, lower, upper) ON place_of >= lower AND place_of < upper GROUP BY place`
}

/** Each part's first time, and the most rows of one grain in it. */
export function cutsSql(path: string, grainMs: number, rowsMax: number): string {
  const start = `pane - ((pane % ${grainMs}) + ${grainMs}) % ${grainMs}`
  return `WITH grains AS (SELECT ${start} AS start, count(*) AS n FROM read_parquet(${path}) GROUP BY 1),
    placed AS (SELECT start, n, (sum(n) OVER (ORDER BY start) - n) // ${rowsMax} AS part FROM grains)
    SELECT min(start)::BIGINT AS first, max(n)::BIGINT AS most FROM placed GROUP BY part ORDER BY part`
}

/** Only states that new partials touch, or whose panes the horizon merges, are merged; the others pass through. */
export function mergeTouchedSql(view: CompiledView, counted: string, added: string, horizon: PaneHorizon): string {
  const keys = view.time.kind === 'panes' ? [quoteName('pane')] : keysOf(view)
  if (keys.length === 0) return view.mergeSql(`(SELECT * FROM ${counted} UNION ALL BY NAME SELECT * FROM ${added})`)
  const same = keys.map((key) => `counted.${key} IS NOT DISTINCT FROM touched.${key}`).join(' AND ')
  const touched = `(SELECT counted.* FROM ${counted} AS counted SEMI JOIN touched ON ${same})`
  const last = horizon.at(-1)
  const merged = last && ` UNION SELECT DISTINCT pane FROM ${counted} WHERE pane < ${last.beforeMs}::BIGINT`
  return `WITH touched AS MATERIALIZED (SELECT DISTINCT ${keys.join(', ')} FROM ${added}${merged ?? ''})
    SELECT counted.* FROM ${counted} AS counted ANTI JOIN touched ON ${same}
    UNION ALL BY NAME (${view.mergeSql(`(SELECT * FROM ${touched} UNION ALL BY NAME SELECT * FROM ${added})`)})`
}

export function keysOf(view: CompiledView): string[] {
  const names = view.dimensions.map(({ name }) => name)
  return (view.time.kind === 'panes' ? ['pane', ...names] : names).map(quoteName)
}
