/** The SQL of a merged answer: states of all three layers, merged, presented, ranked, and looked up last. Values are bound. */
import type { CompiledView, GroupBy } from '#core/compiled.ts'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import { type Filter, QUERY_LIMITS } from '#core/query.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { statesFromJsonSql } from '#core/state-json.ts'
import type { Parameter } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { NeedsBackfillError } from './query-error.ts'
import type { QueryPlan } from './query-plan.ts'
import type { Snapshot } from './snapshot.ts'

/** Values bound to a text that is being written. */
export class BoundValues {
  readonly parameters: Record<string, Parameter> = {}
  #count = 0
  bind(value: Parameter): string {
    const name = `p${this.#count++}`
    this.parameters[name] = value
    return `$${name}`
  }
}

/** State rows of one view at a snapshot: generation, closed segments behind the boundary, open ones. @throws NeedsBackfillError */
export function statesSql(view: CompiledView, snapshot: Snapshot, lake: Lake, bound: BoundValues): string {
  const columns = view.stateColumns.map(({ name }) => quoteName(name)).join(', ')
  const files: string[] = []
  const { generation } = snapshot
  if (generation !== null && generation.rows > 0) {
    const stored = generation.views[view.name]
    if (stored?.hash !== view.hash) throw new NeedsBackfillError(view.dataset, view.name)
    files.push(lake.resolve(stored.file))
  }
  for (const segment of snapshot.segments) {
    if (segment.rows === 0) continue
    const partial = segment.partials[view.name]
    if (partial?.hash !== view.hash) throw new NeedsBackfillError(view.dataset, view.name)
    files.push(lake.resolve(partial.file))
  }
  const parts = files.length === 0 ? [] : [`SELECT ${columns} FROM read_parquet([${files.map(quoteText).join(', ')}])`]
  const open = snapshot.open.get(view.hash) ?? []
  if (open.length > 0) {
    const texts = `(SELECT unnest(from_json(${bound.bind(JSON.stringify(open))}, '["VARCHAR"]')) AS "row")`
    parts.push(`SELECT ${columns} FROM (${statesFromJsonSql(view, texts)})`)
  }
  if (parts.length > 0) return `(${parts.join(' UNION ALL ')})`
  return `(SELECT ${view.stateColumns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`).join(', ')} WHERE false)`
}

/** States in the asked range that pass the filters. */
export function filteredSql(
  view: CompiledView,
  states: string,
  range: { readonly fromMs?: number; readonly toMs?: number },
  filters: readonly Filter[],
  bound: BoundValues,
): string {
  const conditions = [
    ...(range.fromMs === undefined ? [] : [`pane >= ${bound.bind(BigInt(range.fromMs))}`]),
    ...(range.toMs === undefined ? [] : [`pane < ${bound.bind(BigInt(range.toMs))}`]),
    ...filters.map((filter) => filterSql(view, filter, bound)),
  ]
  return conditions.length === 0 ? states : `(SELECT * FROM ${states} WHERE ${conditions.join(' AND ')})`
}

const COMPARISONS = { eq: '=', ne: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function filterSql(view: CompiledView, filter: Filter, bound: BoundValues): string {
  const name = quoteName(filter.dimension)
  const type = view.dimensions.find((dimension) => dimension.name === filter.dimension)!.type
  const value = (text: string): string => `TRY_CAST(${bound.bind(text)}::VARCHAR AS ${type})`
  switch (filter.operator) {
    case 'null':
      return `${name} IS NULL`
    case 'notnull':
      return `${name} IS NOT NULL`
    case 'contains':
      return `contains(lower(${name}), lower(${bound.bind(filter.values[0]!)}::VARCHAR))`
    case 'in':
      return `${name} IN (${filter.values.map(value).join(', ')})`
    default:
      return `${name} ${COMPARISONS[filter.operator]} ${value(filter.values[0]!)}`
  }
}

/** What to merge by: the time bucket, if asked for, and the dimensions. */
function groupsOf(plan: QueryPlan, bound: BoundValues): GroupBy[] {
  const groups = plan.dimensions.map((name) => ({ name, sql: quoteName(name) }))
  const { grain } = plan.query
  if (grain === undefined) return groups
  const fixedMs = GRAIN_MS[grain as FixedGrain] as number | undefined
  if (fixedMs !== undefined && plan.timezone === 'UTC') {
    return [{ name: 'time', sql: `pane - ((pane % ${fixedMs}) + ${fixedMs}) % ${fixedMs}` }, ...groups]
  }
  const zone = `${bound.bind(plan.timezone)}::VARCHAR`
  const local = `date_trunc(${quoteText(grain)}, timezone(${zone}, to_timestamp(pane / 1000)))`
  return [{ name: 'time', sql: `epoch_ms(timezone(${zone}, ${local}))` }, ...groups]
}

/** The presented, ranked and limited rows; a column _n numbers them in order. One row more than the limit tells that there are more. */
export function answerSql(plan: QueryPlan, states: string, bound: BoundValues): string {
  const groups = groupsOf(plan, bound)
  const presented = plan.view.presentSql(
    `(${plan.view.mergeSql(states, groups)})`,
    groups.map(({ name }) => name),
  )
  const order = plan.order.map(({ by, direction }) => `${quoteName(by)} ${direction} NULLS LAST`).join(', ') || '1'
  const having = plan.view.rank?.having === undefined ? '' : ` WHERE (${plan.view.rank.having}\n)`
  const within = plan.per.map(quoteName).join(', ')
  const per =
    within === '' ? '' : ` QUALIFY row_number() OVER (PARTITION BY ${within} ORDER BY ${order}) <= ${plan.limit}`
  const most = rowsShownMax(plan) + 1
  return `SELECT *, row_number() OVER (ORDER BY ${order}) AS _n FROM (SELECT * FROM (${presented})${having}${per}) ORDER BY _n LIMIT ${most}`
}

/** With `per` the limit holds within each combination, and the general one over all. */
export function rowsShownMax(plan: QueryPlan): number {
  return plan.per.length === 0 ? plan.limit : QUERY_LIMITS.rowsMax
}

/** Joins the look-ups to the few rows that are shown. `files`: dictionary → its pinned Parquet. */
export function enrichedSql(
  plan: QueryPlan,
  rows: string,
  files: ReadonlyMap<string, string>,
): { readonly sql: string; readonly names: readonly string[] } {
  const shown = new Set([...plan.dimensions, ...plan.measures.map(({ name }) => name)])
  const lookups = plan.view.lookups.filter(({ key, dictionary }) => shown.has(key) && files.has(dictionary))
  const items = lookups.map(({ name, key, dictionary, attribute, list }) => {
    const from = `read_parquet(${quoteText(files.get(dictionary)!)}) AS d`
    const found = `d.attributes[${quoteText(attribute)}]`
    const wanted = `r.${quoteName(key)}`
    return list
      ? `(SELECT list(DISTINCT ${found} ORDER BY ${found}) FROM ${from} WHERE list_contains(${wanted}, d."key") AND ${found} IS NOT NULL) AS ${quoteName(name)}`
      : `(SELECT any_value(${found}) FROM ${from} WHERE d."key" = CAST(${wanted} AS VARCHAR)) AS ${quoteName(name)}`
  })
  return { sql: `SELECT ${['r.*', ...items].join(', ')} FROM (${rows}) AS r`, names: lookups.map(({ name }) => name) }
}
