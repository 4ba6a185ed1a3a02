/** The SQL texts of one view: partial, merge, present and the independent recount. */
import type { CompiledView, GroupBy, SqlColumn, ViewTime } from './compiled.ts'
import { orderSql } from './measures/first-latest.ts'
import type { ListState, MeasureSql } from './measures/measure-sql.ts'
import { NO_HORIZON, type PaneHorizon, recountedPaneSql } from './pane-horizon.ts'
import { quoteName } from './sql-names.ts'
import type { Unnested } from './value-sizes.ts'
import { keyNames } from './view-time.ts'

export interface ViewParts {
  readonly time: ViewTime
  /** the dataset's event time, a TIMESTAMP */
  readonly timeColumn: string
  /** name and SQL expression */
  readonly dimensions: readonly { readonly name: string; readonly sql: string }[]
  readonly unnest: readonly Unnested[]
  readonly where?: string
  readonly measures: readonly {
    readonly name: string
    readonly x: string
    readonly y: string
    readonly sql: MeasureSql
  }[]
}

/** The texts of a compiled view. */
export interface ViewSql
  extends Pick<
    CompiledView,
    | ('partialSql' | 'partialByPartitionSql' | 'keysSql' | 'partialOfKeysSql')
    | ('mergeSql' | 'presentSql' | 'recountSql')
  > {
  /** what the states are, in the same words whichever way they are computed */
  readonly meaning: string
}

export function viewSql(parts: ViewParts): ViewSql {
  const keys = keyNames(parts).map(quoteName)
  const dimensionItems = parts.dimensions.map(({ name, sql }) => `(${sql}) AS ${quoteName(name)}`)
  const keyItems = [...paneItems(parts.time), ...dimensionItems]
  const usesOrder = parts.measures.some(({ sql }) => sql.partial.some((text) => text.includes('_order')))
  const valueItems = parts.measures.flatMap(({ x, y, name }) => [
    ...(x === '' ? [] : [`${x} AS ${quoteName(`${name}#x`)}`]),
    ...(y === '' ? [] : [`${y} AS ${quoteName(`${name}#y`)}`]),
  ])
  const items = [
    ...keyItems,
    ...valueItems,
    '_time, _partition, _offset',
    ...(usesOrder ? [`${orderSql(timeUsSql(parts.timeColumn))} AS _order`] : []),
  ]
  const recountItems = [...dimensionItems, ...valueItems, `${momentSql(parts.timeColumn)} AS _at, _partition, _offset`]
  const source = (rows: string): string => sourceSql(parts, rows)
  const prepared = (rows: string): string =>
    withSteps(parts.measures, `SELECT ${items.join(', ')} FROM ${source(rows)}`)
  const newest = newestOf(parts.measures)
  const partialFrom = (
    from: string,
    by: readonly string[] = keys,
    apart: ViewParts['measures'] = [],
    measures: ViewParts['measures'] = parts.measures,
  ): string =>
    aggregateSql(
      by,
      measures,
      from,
      (sql) => sql.partial,
      (name, list) => ({
        value: list.element,
        explode: `SELECT ${[...by, `${list.element} AS _e`, '1 AS _n'].join(', ')} FROM (${valuesOf(quoteName(`${name}#x`), list, by)})`,
      }),
      apart,
    )
  /** What a set holds once is hashed once. */
  const valuesOf = (x: string, { kind }: ListState, by: readonly string[]): string =>
    `SELECT ${kind === 'distinct' ? 'DISTINCT ' : ''}${[...by, x].join(', ')} FROM _src WHERE ${x} IS NOT NULL`
  const keysSql = (rows: string): string =>
    keyItems.length === 0
      ? `SELECT 1 AS _one FROM ${source(rows)} LIMIT 1`
      : `SELECT DISTINCT ${keyItems.join(', ')} FROM ${source(rows)}`
  return {
    meaning: partialFrom(prepared('rows')),
    keysSql,
    // Of many rows. A statement over few of them, as the others are, costs what planning it costs.
    partialSql: (rows) => partialFrom(prepared(rows), keys, newest),
    partialByPartitionSql: (rows, { few } = { few: false }) =>
      partialFrom(prepared(rows), ['_partition', ...keys], [], few ? parts.measures.map(ofFew) : parts.measures),
    partialOfKeysSql: (rows, touched) =>
      keys.length === 0
        ? partialFrom(prepared(rows))
        : partialFrom(
            `SELECT _row.* FROM (${prepared(rows)}) AS _row SEMI JOIN (SELECT * FROM ${touched}) AS _touched ON ${sameKeys('_row', '_touched', keys)}`,
          ),
    mergeSql: (states, by, wanted) => mergeStates(measuresOf(parts, wanted), keys, states, by),
    presentSql: (merged, keep, measures) => presentStates(parts, merged, keep, measures),
    recountSql: (rows, horizon = NO_HORIZON) => {
      const { items, where } = recountedPanes(parts, horizon)
      const columns = [
        ...keys,
        ...parts.measures.map(({ name, sql }) => `${sql.recount} AS ${quoteName(name)}`),
        ...parts.measures.flatMap(({ name, sql }) =>
          sql.within === null ? [] : [`${sql.within} AS ${quoteName(`${name}__within`)}`],
        ),
      ]
      return `SELECT ${columns.join(', ')} FROM (SELECT ${[...items, ...recountItems].join(', ')} FROM ${source(rows)}${where}) ${groupBy(keys)}`
    },
  }
}

/** Prepared rows with the columns that measures add step by step. */
function withSteps(measures: ViewParts['measures'], select: string): string {
  const steps = measures.map(({ sql }) => sql.steps ?? [])
  const depth = Math.max(0, ...steps.map(({ length }) => length))
  return Array.from({ length: depth }).reduce((inner: string, _, at) => {
    const columns = steps.flatMap((own) => own[at] ?? []).map(({ name, sql }) => `${sql} AS ${name}`)
    return `SELECT *, ${columns.join(', ')} FROM (${inner})`
  }, select)
}

function paneItems(time: ViewTime): string[] {
  if (time.kind === 'all-time') return []
  const { paneMs } = time
  return [`_time - ((_time % ${paneMs}) + ${paneMs}) % ${paneMs} AS pane`]
}

/** Event time of a typed row, epoch µs. A file that was written before the dataset had its time column has only milliseconds. */
function timeUsSql(timeColumn: string): string {
  return `coalesce(epoch_us(${quoteName(timeColumn)}), _time * 1000)`
}

/** The same as a TIMESTAMP, for the recount, which makes panes and orders rows from it by the engine's own functions. */
function momentSql(timeColumn: string): string {
  return `coalesce(${quoteName(timeColumn)}, make_timestamp(_time * 1000))`
}

function recountedPanes(
  { time, timeColumn }: ViewParts,
  horizon: PaneHorizon,
): { readonly items: readonly string[]; readonly where: string } {
  if (time.kind === 'all-time') return { items: [], where: '' }
  const { pane, kept } = recountedPaneSql(horizon, time.paneMs, momentSql(timeColumn))
  return { items: [`${pane} AS pane`], where: kept === null ? '' : ` WHERE ${kept}` }
}

/** typed rows behind FROM, with unnested columns and the view's condition */
function sourceSql(parts: ViewParts, rows: string): string {
  let source = rows
  for (const { name, list } of parts.unnest) source = `(SELECT *, unnest(${list}) AS ${quoteName(name)} FROM ${source})`
  return parts.where === undefined ? source : `(SELECT * FROM ${source} WHERE (${parts.where}\n))`
}

function groupBy(keys: readonly string[]): string {
  return keys.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${keys.join(', ')}`
}

function sameKeys(a: string, b: string, keys: readonly string[]): string {
  return keys.map((key) => `${a}.${key} IS NOT DISTINCT FROM ${b}.${key}`).join(' AND ') || 'true'
}

/** with fewer of them, finding their rows takes longer than it saves */
const NEWEST_MIN = 3

/** Measures whose state is that of the newest row that has a value. */
function newestOf(measures: ViewParts['measures']): ViewParts['measures'] {
  const newest = measures.filter(({ sql }) => sql.keeps === 'newest')
  return newest.length < NEWEST_MIN ? [] : newest
}

/**
 * One GROUP BY for the scalar states; for each list state a query of its own, joined by the keys.
 * @param apart measures that keep the newest row's value: computed apart from the others, from each key's newest row that has all of
 * their values and the rows after it. None before it can be the newest of any, and aggregating a value takes longer than finding that row
 */
function aggregateSql(
  keys: readonly string[],
  measures: ViewParts['measures'],
  from: string,
  scalars: (sql: MeasureSql) => readonly string[],
  exploded: (name: string, list: NonNullable<MeasureSql['list']>) => { value: string; explode: string },
  apart: ViewParts['measures'] = [],
): string {
  const itemsOf = (some: ViewParts['measures']): string[] =>
    some.flatMap(({ sql }) => scalars(sql).map((text, index) => `${text} AS ${quoteName(sql.state[index]!.name)}`))
  const lists = measures.filter(({ sql }) => sql.list !== null)
  const scalarItems = itemsOf(measures.filter((measure) => !apart.includes(measure)))
  if (lists.length === 0 && apart.length === 0)
    return `SELECT ${[...keys, ...scalarItems].join(', ')} FROM (${from}) AS _src ${groupBy(keys)}`
  const newest = newestSql(keys, apart, itemsOf(apart))
  const main = `SELECT ${[...keys, ...scalarItems, ...newest.items, '1 AS _one'].join(', ')} FROM _src ${groupBy(keys)}`
  const tables = lists.map(
    ({ name, sql }, index) => `list_${index} AS (${listSql(keys, sql.list!, exploded(name, sql.list!).explode)})`,
  )
  const out = measures.flatMap((measure) =>
    measure.sql.state.map((column) =>
      measure.sql.list === null || column !== measure.sql.state.at(-1)
        ? `${apart.includes(measure) ? '_newest' : '_main'}.${quoteName(column.name)}`
        : `coalesce(list_${lists.findIndex((other) => other.sql === measure.sql)}._l, []::${column.type}) AS ${quoteName(column.name)}`,
    ),
  )
  const joins = lists.map((_, index) => `LEFT JOIN list_${index} ON ${sameKeys('_main', `list_${index}`, keys)}`)
  return `WITH ${[`_src AS NOT MATERIALIZED (${from})`, `_main AS (${main})`, ...newest.tables, ...tables].join(', ')}
    SELECT ${[...keys.map((key) => `_main.${key} AS ${key}`), ...out].join(', ')} FROM _main ${[...newest.joins, ...joins].join(' ')}`
}

/**
 * A measure's states by the texts that are planned soonest. A set is made by an aggregate beside the others: of few rows it costs less than
 * planning a query of its own and a join, of many it costs more. An aggregate of distinct values would have a hash table of its own.
 */
function ofFew(measure: ViewParts['measures'][number]): ViewParts['measures'][number] {
  const { name, sql } = measure
  if (sql.list?.kind !== 'distinct') return { ...measure, sql: { ...sql, partial: sql.partialOfFew ?? sql.partial } }
  const { element, keep } = sql.list
  const set = `list_sort(list_distinct(list(${element}) FILTER (WHERE ${quoteName(`${name}#x`)} IS NOT NULL)))`
  const kept = keep === null ? set : `${set}[1:${keep}]`
  const text = `coalesce(${kept}, []::${sql.state.at(-1)!.type})`
  return { ...measure, sql: { ...sql, list: null, partial: [...sql.partial, text] } }
}

interface NewestSql {
  /** of the main query */
  readonly items: readonly string[]
  readonly tables: readonly string[]
  readonly joins: readonly string[]
}

function newestSql(keys: readonly string[], apart: ViewParts['measures'], states: readonly string[]): NewestSql {
  if (apart.length === 0) return { items: [], tables: [], joins: [] }
  const isWhole = apart.map(({ name }) => `${quoteName(`${name}#x`)} IS NOT NULL`).join(' AND ')
  const rows = `SELECT _src.* FROM _src JOIN _main ON ${sameKeys('_src', '_main', keys)} WHERE _main._whole IS NULL OR _src._order >= _main._whole`
  return {
    items: [`max(_order) FILTER (WHERE ${isWhole}) AS _whole`],
    tables: [`_newest AS (SELECT ${[...keys, ...states].join(', ')} FROM (${rows}) ${groupBy(keys)})`],
    joins: [`LEFT JOIN _newest ON ${sameKeys('_main', '_newest', keys)}`],
  }
}

function listSql(keys: readonly string[], list: NonNullable<MeasureSql['list']>, explode: string): string {
  const columns = (more: string): string => [...keys, more].join(', ')
  const group = keys.length === 0 ? '' : ` GROUP BY ${keys.join(', ')}`
  if (list.kind === 'counted') {
    const counted = `SELECT ${columns('_e, sum(_n)::BIGINT AS _n')} FROM (${explode}) GROUP BY ${columns('_e')}`
    return `SELECT ${columns('list(struct_pack(b := _e, n := _n) ORDER BY _e) AS _l')} FROM (${counted})${group}`
  }
  const kept = list.keep === null ? '' : `[1:${list.keep}]`
  return `SELECT ${columns(`list_sort(list(_e))${kept} AS _l`)} FROM (SELECT DISTINCT ${columns('_e')} FROM (${explode}))${group}`
}

function measuresOf({ measures }: ViewParts, wanted?: readonly string[]): ViewParts['measures'] {
  return wanted === undefined ? measures : measures.filter(({ name }) => wanted.includes(name))
}

function mergeStates(
  measures: ViewParts['measures'],
  keys: readonly string[],
  states: string,
  by?: readonly GroupBy[],
): string {
  const stateNames = measures.flatMap(({ sql }) => sql.state.map((column) => quoteName(column.name)))
  const groups = by === undefined ? keys : by.map(({ name }) => quoteName(name))
  const groupItems = by === undefined ? keys : by.map(({ name, sql }) => `${sql} AS ${quoteName(name)}`)
  const from = `SELECT ${[...groupItems, ...stateNames].join(', ')} FROM ${states}`
  return aggregateSql(
    groups,
    measures,
    from,
    (sql) => sql.merge,
    (name, list) => {
      const state = quoteName(measures.find((measure) => measure.name === name)!.sql.state.at(-1)!.name)
      const unnested = `SELECT ${[...groups, `unnest(${state}) AS _u`].join(', ')} FROM _src`
      const items = list.kind === 'counted' ? ['_u.b AS _e', '_u.n AS _n'] : ['_u AS _e']
      return { value: state, explode: `SELECT ${[...groups, ...items].join(', ')} FROM (${unnested})` }
    },
  )
}

function presentStates(
  parts: ViewParts,
  merged: string,
  keep: readonly string[],
  measures?: readonly string[],
): string {
  const wanted = measuresOf(parts, measures)
  const items = [
    ...keep.map(quoteName),
    ...wanted.map(({ name, sql }) => `${sql.present} AS ${quoteName(name)}`),
    ...wanted.flatMap(({ name, sql }) =>
      sql.estimated === null ? [] : [`${sql.estimated} AS ${quoteName(`${name}__estimated`)}`],
    ),
  ]
  return `SELECT ${items.join(', ')} FROM ${merged}`
}

/** An empty relation of the given columns. */
export function emptyRelation(columns: readonly SqlColumn[]): string {
  return `(SELECT ${columns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`).join(', ')} WHERE false)`
}
