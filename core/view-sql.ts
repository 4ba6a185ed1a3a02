/** The SQL texts of one view: partial, merge, present and the independent recount. */
import type { CompiledView, GroupBy, SqlColumn, ViewTime } from './compiled.ts'
import { orderSql, placeOf } from './measures/first-latest.ts'
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
  const partialFrom = (
    from: string,
    by: readonly string[] = keys,
    measures: ViewParts['measures'] = parts.measures,
    apart: Apart = NONE_APART,
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
    partialSql: (rows) => {
      const at = (places: string): string =>
        prepared(
          `(SELECT _row.* FROM ${rows} AS _row SEMI JOIN (${places}) AS _place ON _row._offset = _place._at_offset AND _row._partition = _place._at_partition)`,
        )
      return partialFrom(prepared(rows), keys, parts.measures, { measures: newestOf(parts.measures), at })
    },
    partialByPartitionSql: (rows, { few } = { few: false }) =>
      partialFrom(prepared(rows), ['_partition', ...keys], few ? parts.measures.map(ofFew) : parts.measures),
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
  const newest = measures.filter(({ sql }) => sql.ofNewest !== undefined)
  return newest.length < NEWEST_MIN ? [] : newest
}

/** Measures that keep the newest row's value, which are computed apart from the others. */
interface Apart {
  readonly measures: ViewParts['measures']
  /** prepared rows at some places: of a SELECT of _at_partition and _at_offset */
  readonly at: (places: string) => string
}

const NONE_APART: Apart = { measures: [], at: (places) => places }

/** One GROUP BY for the scalar states; for each list state a query of its own, joined by the keys. */
function aggregateSql(
  keys: readonly string[],
  measures: ViewParts['measures'],
  from: string,
  scalars: (sql: MeasureSql) => readonly string[],
  exploded: (name: string, list: NonNullable<MeasureSql['list']>) => { value: string; explode: string },
  apart: Apart = NONE_APART,
): string {
  const itemsOf = (some: ViewParts['measures']): string[] =>
    some.flatMap(({ sql }) => scalars(sql).map((text, index) => `${text} AS ${quoteName(sql.state[index]!.name)}`))
  const lists = measures.filter(({ sql }) => sql.list !== null)
  const scalarItems = itemsOf(measures.filter((measure) => !apart.measures.includes(measure)))
  if (lists.length === 0 && apart.measures.length === 0)
    return `SELECT ${[...keys, ...scalarItems].join(', ')} FROM (${from}) AS _src ${groupBy(keys)}`
  const newest = newestSql(keys, apart, itemsOf(apart.measures))
  const main = `SELECT ${[...keys, ...scalarItems, ...newest.items, '1 AS _one'].join(', ')} FROM _src ${groupBy(keys)}`
  const tables = lists.map(
    ({ name, sql }, index) => `list_${index} AS (${listSql(keys, sql.list!, exploded(name, sql.list!).explode)})`,
  )
  const out = measures.flatMap((measure) =>
    measure.sql.state.map((column) =>
      measure.sql.list === null || column !== measure.sql.state.at(-1)
        ? `${apart.measures.includes(measure) ? '_newest' : '_main'}.${quoteName(column.name)}`
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

/**
 * A key's last row gives the values that it has. The others are aggregated from the rows before it, of those keys and measures only: most
 * keys lack nothing there, or what none of their rows has, and aggregating values takes longer than finding a row by its place.
 */
function newestSql(keys: readonly string[], { measures, at }: Apart, states: readonly string[]): NewestSql {
  if (measures.length === 0) return { items: [], tables: [], joins: [] }
  const names = measures.map(({ sql }) => quoteName(sql.state[0]!.name))
  const { partition, offset } = placeOf('_last_order')
  const ofLast = measures.map(({ sql }, index) => `${sql.ofNewest} AS ${names[index]}`)
  const last = at(`SELECT ${partition} AS _at_partition, ${offset} AS _at_offset FROM _main`)
  const lacks = names.map((name) => `${name} IS NULL`)
  const lacking = lacks.map((lack, index) => `${lack} AS _lacks_${index}`)
  const gaps = `SELECT ${[...keys, ...lacking].join(', ')} FROM _last WHERE ${lacks.join(' OR ')}`
  const fills = measures.map(
    ({ name }, index) => `(_gaps._lacks_${index} AND _src.${quoteName(`${name}#x`)} IS NOT NULL)`,
  )
  const rows = `SELECT _src.* FROM _src JOIN (${gaps}) AS _gaps ON ${sameKeys('_src', '_gaps', keys)} WHERE ${fills.join(' OR ')}`
  const whole = names.map((name) => `coalesce(_last.${name}, _fill.${name}) AS ${name}`)
  return {
    items: ['max(_order) AS _last_order'],
    tables: [
      `_last AS MATERIALIZED (SELECT ${[...keys, ...ofLast].join(', ')} FROM (${last}))`,
      `_fill AS (SELECT ${[...keys, ...states].join(', ')} FROM (${rows}) ${groupBy(keys)})`,
      `_newest AS (SELECT ${[...keys.map((key) => `_last.${key} AS ${key}`), ...whole].join(', ')} FROM _last LEFT JOIN _fill ON ${sameKeys('_last', '_fill', keys)})`,
    ],
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
