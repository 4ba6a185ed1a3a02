/**
 * Rows of a windowed view: each window's ranking over everything ('global'), and within each value of every dimension that the
 * ranking itself does not show (for example 'country'). A row is a place in a ranking, so a ranking that is presented again
 * replaces itself.
 */
import type { CompiledView } from '#core/compiled.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { WindowedView } from '#core/view-time.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { enrichedSql } from '../answers/lookup-sql.ts'
import { planQuery } from '../answers/query-plan.ts'
import { columnMember, momentMember, type PresentedMember, placeMember, textMember } from './presented-fields.ts'
import type { RowSource } from './presented-rows.ts'
import {
  dictionaryRelations,
  mergedStates,
  numbersSql,
  type SnapshotSource,
  versionOf,
  withMissing,
} from './presented-view.ts'

/** Where on the map a dimension's value is. */
export interface Place {
  readonly key: string
  readonly lat: number
  readonly lon: number
}

/** Windows whose rankings are computed by one statement. */
export const WINDOWS_PER_STATEMENT = 360
export const GLOBAL = 'global'

/** 'global', and the dimensions that a ranking is also made within. */
export function scopesOf(view: CompiledView): readonly string[] {
  const shown = view.rank?.dimensions ?? []
  const others = view.rank === undefined ? [] : view.dimensions.filter(({ name }) => !shown.includes(name))
  return [GLOBAL, ...others.map(({ name }) => name)]
}

export function windowMembers(view: CompiledView): PresentedMember[] {
  return [
    momentMember('window_start', '_start'),
    momentMember('window_end', '_end'),
    textMember('scope'),
    { name: 'rank', type: 'long', sql: 'rank' },
    ...[...view.dimensions, ...view.measures].map(columnMember),
    ...view.lookups.map(({ name }) => textMember(name)),
    placeMember('location', '_lat', '_lon'),
  ]
}

/** Ends of the windows that a pane is in, epoch ms. */
export function windowEnds(view: WindowedView, panes: readonly number[]): number[] {
  const { sizeMs, everyMs } = view.time.window
  const ends = new Set<number>()
  for (const pane of panes) {
    for (let end = Math.floor(pane / everyMs) * everyMs + everyMs; end <= pane + sizeMs; end += everyMs) ends.add(end)
  }
  return [...ends].sort((a, b) => a - b)
}

/** Rows of one scope of the windows that end at `ends`, ascending, one at least. @param places of the scope's values */
export async function windowSource(
  source: SnapshotSource,
  view: WindowedView,
  scope: string,
  ends: readonly number[],
  places: readonly Place[],
): Promise<RowSource> {
  const bound = new BoundValues()
  const { sizeMs } = view.time.window
  const windows = `(SELECT unnest(${numbersSql(ends, bound)}) AS _end)`
  const range = { fromMs: ends[0]! - sizeMs, beforeMs: ends.at(-1)! }
  const all = await mergedStates(source, view, bound, range)
  const states = `(SELECT * FROM ${all} AS s JOIN ${windows} AS w ON s.pane >= w._end - ${sizeMs} AND s.pane < w._end)`
  const per = scope === GLOBAL ? [] : [scope]
  const shown = [...per, ...(view.rank?.dimensions ?? view.dimensions.map(({ name }) => name))]
  const groups = ['_end', ...shown]
  const merged = view.mergeSql(
    states,
    groups.map((name) => ({ name, sql: quoteName(name) })),
  )
  const ranked = rankedSql(view, view.presentSql(`(${merged})`, groups), ['_end', ...per], shown)
  const plan = planQuery(view, { dataset: view.dataset, view: view.name, dimensions: shown })
  const { sql, names } = enrichedSql(plan, ranked, dictionaryRelations(source))
  const absent = view.dimensions.filter(({ name }) => !shown.includes(name))
  const columns = [
    'r.*',
    `r._end - ${sizeMs} AS _start`,
    `${quoteText(scope)} AS scope`,
    ...absent.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`),
    'p.lat AS _lat, p.lon AS _lon',
  ]
  const key = scope === GLOBAL ? 'NULL' : `r.${quoteName(scope)}::VARCHAR`
  return {
    sql: `SELECT ${columns.join(', ')} FROM (${withMissing(sql, view, names)}) AS r LEFT JOIN ${placesSql(places, bound)} AS p ON p."key" = ${key}`,
    bound,
    members: windowMembers(view),
    identity: ['_end', 'scope', scope === GLOBAL ? 'NULL' : quoteName(scope), 'rank'],
    dayMs: '_end - 1',
    version: versionOf(source.snapshot),
  }
}

function rankedSql(view: CompiledView, presented: string, within: readonly string[], shown: readonly string[]): string {
  const by = view.rank === undefined ? [] : [`${quoteName(view.rank.by)} DESC NULLS LAST`]
  const order = [...by, ...shown.map((name) => `${quoteName(name)} ASC NULLS LAST`)].join(', ')
  const having = view.rank?.having === undefined ? '' : ` WHERE TRY((${view.rank.having}\n))`
  const limit = view.rank === undefined ? '' : ` QUALIFY rank <= ${view.rank.limit}`
  const place = `row_number() OVER (PARTITION BY ${within.map(quoteName).join(', ')} ORDER BY ${order}) AS rank`
  return `SELECT *, row_number() OVER () AS _n FROM (SELECT *, ${place} FROM (SELECT * FROM (${presented})${having})${limit})`
}

function placesSql(places: readonly Place[], bound: BoundValues): string {
  const rows = `unnest(from_json(${bound.bind(JSON.stringify(places))}::VARCHAR, '[{"key":"VARCHAR","lat":"DOUBLE","lon":"DOUBLE"}]'))`
  return `(SELECT p."key" AS "key", p.lat AS lat, p.lon AS lon FROM (SELECT ${rows} AS p))`
}
