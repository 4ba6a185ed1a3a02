/** The SQL of a merged answer: states of all three layers, merged, presented and ranked. Values are bound. */
import type { CompiledView, GroupBy, SqlColumn } from '#core/compiled.ts'
import { type Condition, certainLeaves, conditionSql, leavesOf } from '#core/condition.ts'
import { GRAIN_MS } from '#core/grains.ts'
import { NO_HORIZON, type PaneHorizon, paneSql } from '#core/pane-horizon.ts'
import { type Filter, QUERY_LIMITS } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import { statesFromJsonSql } from '#core/state-json.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { ALL_STATES, filesWithin, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { BoundValues } from './bound-values.ts'
import { filterSql } from './filter-sql.ts'
import { NeedsBackfillError, PartialsCompactedError } from './query-error.ts'
import type { QueryPlan } from './query-plan.ts'
import type { Snapshot } from './snapshot.ts'
import { timeBucketSql } from './time-bucket.ts'
import { assertWindowRows, WINDOW_CUT, windowedStates } from './window-series.ts'

export { BoundValues }

/** Relation of the states of a view, or that of each view by its name, where several are asked for. */
export type StatesSql = string | ReadonlyMap<string, string>

export function statesOfView(states: StatesSql, { name }: Pick<CompiledView, 'name'>): string {
  return typeof states === 'string' ? states : states.get(name)!
}

/**
 * State rows of one view at a snapshot: generation, closed segments behind the boundary, open ones.
 * @param table holds the open ones already (see openTable); without it they are bound to the text
 * @param panes files of the generation that cannot hold any of these are left out
 * @throws NeedsBackfillError, PartialsCompactedError
 */
export function statesSql(
  view: CompiledView,
  snapshot: Snapshot,
  lake: Lake,
  bound: BoundValues,
  table: string | null = null,
  panes: StateRange | readonly StateRange[] = ALL_STATES,
): string {
  const columns = view.stateColumns.map(({ name }) => quoteName(name)).join(', ')
  const files = stateFiles(view, snapshot, panes).map((file) => lake.resolve(file))
  const parts = files.length === 0 ? [] : [`SELECT ${columns} FROM ${readParquetSql(files)}`]
  const open = snapshot.open.get(view.hash) ?? []
  if (table !== null) parts.push(`SELECT ${columns} FROM ${table}`)
  else if (open.length > 0) {
    // Not string_split, though it is faster: under a merge with list states the engine (1.5.6) then gives no rows at all.
    const texts = `(SELECT unnest(from_json(${bound.bind(JSON.stringify(open))}, '["VARCHAR"]')) AS "row")`
    parts.push(`SELECT ${columns} FROM (${statesFromJsonSql(view, texts)})`)
  }
  if (parts.length > 0) return `(${parts.join(' UNION ALL ')})`
  return `(SELECT ${view.stateColumns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`).join(', ')} WHERE false)`
}

/** The files that hold the view's states of these panes at a snapshot. @throws NeedsBackfillError, PartialsCompactedError */
export function stateFiles(
  view: CompiledView,
  snapshot: Pick<Snapshot, 'generation' | 'segments'>,
  panes: StateRange | readonly StateRange[] = ALL_STATES,
): LakeFile[] {
  return [...filesWithin(generationFilesOf(view, snapshot), panes), ...closedFilesOf(view, snapshot)]
}

/** Those of the generation. @throws NeedsBackfillError */
export function generationFilesOf(
  view: CompiledView,
  { generation }: Pick<Snapshot, 'generation'>,
): readonly StateFile[] {
  if (generation === null || generation.rows === 0) return []
  const stored = generation.views[view.name]
  if (stored?.hash !== view.hash) throw new NeedsBackfillError(view, { isNew: stored === undefined })
  return stored.files
}

/** Those of the closed segments behind the boundary. @throws NeedsBackfillError, PartialsCompactedError */
export function closedFilesOf(view: CompiledView, { segments }: Pick<Snapshot, 'segments'>): LakeFile[] {
  const files: LakeFile[] = []
  for (const segment of segments) {
    if (segment.rows === 0) continue
    const partial = segment.partials[view.name]
    if (partial === undefined && segment.replaces && segment.kind !== 'summary')
      throw new PartialsCompactedError(view, segment)
    if (partial?.hash !== view.hash) throw new NeedsBackfillError(view, { isNew: partial === undefined })
    files.push(partial.file)
  }
  return files
}

/** States in the asked range that pass the filters. */
export function filteredSql(
  view: CompiledView,
  states: string,
  range: { readonly fromMs?: number; readonly toMs?: number },
  filters: readonly Condition<Filter>[],
  bound: BoundValues,
): string {
  const conditions = [
    ...(range.fromMs === undefined ? [] : [`pane >= ${bound.bind(BigInt(range.fromMs))}::BIGINT`]),
    ...(range.toMs === undefined ? [] : [`pane < ${bound.bind(BigInt(range.toMs))}::BIGINT`]),
    ...filters.map((filter) => dimensionsSql(view, filter, bound)),
  ]
  return conditions.length === 0 ? states : `(SELECT * FROM ${states} WHERE ${conditions.join(' AND ')})`
}

/** A condition on dimensions, over rows that have them. */
export function dimensionsSql(view: CompiledView, condition: Condition<Filter>, bound: BoundValues): string {
  const dimensionOf = (wanted: string): SqlColumn => view.dimensions.find(({ name }) => name === wanted)!
  return conditionSql(condition, (filter) => filterSql(dimensionOf(filter.dimension), filter, bound))
}

interface GroupedStates {
  readonly states: string
  /** what to merge by: the time bucket or window, if asked for, and the dimensions */
  readonly groups: readonly GroupBy[]
}

export function groupedStates(plan: QueryPlan, states: string, bound: BoundValues): GroupedStates {
  const groups = plan.dimensions.map((name) => ({ name, sql: quoteName(name) }))
  if (plan.windows !== null) {
    const windowed = windowedStates(plan.windows, states, bound)
    return { states: windowed.states, groups: [windowed.group, ...groups] }
  }
  if (plan.buckets === null) return { states, groups }
  const { grain, paneMs } = plan.buckets
  const bucket = timeBucketSql(grain, plan.timezone, paneMs, bound)
  if (plan.timezone === 'UTC') return { states, groups: [{ name: 'time', sql: bucket }, ...groups] }
  // Time zones are slow in the engine: they are asked once per pane.
  const distinct = `(SELECT DISTINCT pane FROM ${states})`
  const { horizon } = plan.detail ?? { horizon: NO_HORIZON }
  const panes =
    horizon.length === 0
      ? `SELECT pane AS _pane, ${bucket} AS _bucket FROM ${distinct}`
      : mergedPanesSql(plan.buckets, plan.timezone, horizon, distinct, bound)
  const bucketed = `(SELECT * FROM ${states} AS _states JOIN (${panes}) AS _panes ON _pane = pane)`
  return { states: bucketed, groups: [{ name: 'time', sql: '_bucket' }, ...groups] }
}

/** Of panes that were merged, the whole pane must be in one bucket, also where finer states of late events are beside it. */
function mergedPanesSql(
  { grain, paneMs }: NonNullable<QueryPlan['buckets']>,
  timezone: string,
  horizon: PaneHorizon,
  panes: string,
  bound: BoundValues,
): string {
  const cases = horizon.flatMap(({ beforeMs, grain: merged }) => {
    if (merged === null) return []
    return [`WHEN _pane < ${beforeMs}::BIGINT THEN ${timeBucketSql(grain, timezone, GRAIN_MS[merged], bound)}`]
  })
  const bucket = `CASE ${cases.join(' ')} ELSE ${timeBucketSql(grain, timezone, paneMs, bound)} END`
  return `SELECT _pane, ${bucket} AS _bucket FROM (SELECT pane AS _pane, ${paneSql(horizon)} AS pane FROM ${panes})`
}

/**
 * The presented, ranked and limited rows; a column _n numbers them in order. One row more than the limit tells that there are more.
 * What the ranking does not look at is merged for the rows that are shown only: sets and sketches of all the others stay unread.
 */
export function answerSql(plan: QueryPlan, source: string, bound: BoundValues): string {
  const { states, groups } = groupedStates(plan, source, bound)
  const needed = measuresNeeded(plan)
  const ranking = measuresRanking(plan)
  const later = needed.filter((name) => !ranking.includes(name))
  if (isOneKey(plan) || !later.some((name) => isLarge(plan, name)) || rowsShownMax(plan) > QUERY_LIMITS.rowsMax)
    return rankedSql(plan, presentedSql(plan, states, groups, needed), bound)
  const names = groups.map(({ name }) => quoteName(name))
  const keyed = groups.map(({ name, sql }) => ({ name, sql, key: quoteName(`${name}#key`) }))
  const rest = presentedSql(
    plan,
    ofShownSql(plan, states, keyed),
    keyed.map(({ name, key }) => ({ name, sql: key })),
    later,
  )
  const same = names.map((name) => `_rest.${name} IS NOT DISTINCT FROM _ranked.${name}`).join(' AND ')
  return `WITH _ranked AS MATERIALIZED (${rankedSql(plan, presentedSql(plan, states, groups, ranking), bound)})
    SELECT _ranked.*, _rest.* EXCLUDE (${names.join(', ')}) FROM _ranked JOIN (${rest}) AS _rest ON ${same} ORDER BY _n`
}

/** The presented rows of the groups, each once, of filtered states. */
export function mergedSql(plan: QueryPlan, source: string, measures: readonly string[], bound: BoundValues): string {
  const { states, groups } = groupedStates(plan, source, bound)
  return presentedSql(plan, states, groups, measures)
}

/** Whether the plan's limit bounds the rows of all of its windows. @throws QueryError */
export function assertBounded(plan: QueryPlan): void {
  if (plan.windows !== null) assertWindowRows(plan.windows, isOneKey(plan) ? 1 : plan.limit)
}

/** Nothing to rank, in each window: without groups, or with each of them filtered to one value. */
function isOneKey({ dimensions, buckets, query }: QueryPlan): boolean {
  const equal = certainLeaves(query.filters ?? []).filter(({ operator }) => operator === 'eq')
  const fixed = new Set(equal.map(({ dimension }) => dimension))
  return buckets === null && dimensions.every((name) => fixed.has(name))
}

/** Whether a measure's states are more than numbers, so that it pays to read them in a second pass, for the shown rows only. */
function isLarge({ view }: QueryPlan, measure: string): boolean {
  return view.stateColumns.some(
    ({ name, type }) => name.startsWith(`${measure}__`) && /\[\]$|^STRUCT|^VARCHAR/.test(type),
  )
}

interface ShownKey {
  /** column of _ranked */
  readonly name: string
  /** of a state row */
  readonly sql: string
  /** column of the result */
  readonly key: string
}

/**
 * The states of the keys in _ranked. Only for `=` does the engine skip the row groups of a file that cannot hold one of the keys; keys
 * with a NULL match in a join of their own, which reads nothing if there are none.
 */
function ofShownSql(plan: QueryPlan, states: string, keys: readonly ShownKey[]): string {
  const keyed = `(SELECT *, ${keys.map(({ sql, key }) => `${sql} AS ${key}`).join(', ')} FROM ${states})`
  const joined = (ranked: string, operator: string): string => {
    const same = keys.map(({ name, key }) => `_s.${key} ${operator} _r.${quoteName(name)}`).join(' AND ')
    return `SELECT _s.* FROM ${keyed} AS _s SEMI JOIN ${ranked} AS _r ON ${same}`
  }
  const missing = nullableKeys(plan).map((name) => `${quoteName(name)} IS NULL`)
  if (missing.length === 0) return `(${joined('_ranked', '=')})`
  const incomplete = `(SELECT * FROM _ranked WHERE ${missing.join(' OR ')})`
  return `(${joined('_ranked', '=')} UNION ALL ${joined(incomplete, 'IS NOT DISTINCT FROM')})`
}

/** Dimensions that no filter keeps from being NULL. */
function nullableKeys({ dimensions, query }: QueryPlan): string[] {
  const certain = certainLeaves(query.filters ?? [])
  const set = certain.filter(({ operator, orNull }) => operator !== 'null' && operator !== 'ne' && !orNull)
  return dimensions.filter((name) => !set.some(({ dimension }) => dimension === name))
}

/** States merged by `groups`, and the values of `measures`. */
function presentedSql(
  { view }: QueryPlan,
  states: string,
  groups: readonly GroupBy[],
  measures: readonly string[],
): string {
  const merged = `(${view.mergeSql(states, groups, measures)})`
  return view.presentSql(
    merged,
    groups.map(({ name }) => name),
    measures,
  )
}

/** The condition on presented rows, the view's rank included; empty where there is none. */
export function havingSql(plan: QueryPlan, bound: BoundValues): string {
  const conditions = [
    ...(plan.rank?.having === undefined ? [] : [`TRY((${plan.rank.having}\n))`]),
    ...plan.having.map((condition) =>
      conditionSql(condition, ({ column, filter }) => filterSql(column, filter, bound)),
    ),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

/**
 * @param plan with the limit EVERY_ROW, rows are ordered, but not numbered
 * @param having the condition that they must pass
 */
export function rankedSql(
  plan: QueryPlan,
  presented: string,
  bound: BoundValues,
  having = havingSql(plan, bound),
): string {
  const ordered = orderSql(plan)
  if (plan.limit === EVERY_ROW) return `SELECT * FROM (${presented})${having} ${ordered}`
  const within = plan.per.map(quoteName).join(', ')
  const per = within === '' ? '' : ` QUALIFY row_number() OVER (PARTITION BY ${within} ${ordered}) <= ${plan.limit}`
  const most = rowsShownMax(plan) + 1
  const cut = plan.windows === null ? '' : `, count(*) OVER (PARTITION BY ${within}) > ${plan.limit} AS ${WINDOW_CUT}`
  // Numbered after the limit: only what is shown is sorted whole.
  return `SELECT *, row_number() OVER (${ordered}) AS _n FROM (SELECT *${cut} FROM (${presented})${having}${per} ${ordered} LIMIT ${most})`
}

/** The limit of a plan whose rows are not limited. */
export const EVERY_ROW = Number.POSITIVE_INFINITY

export function orderSql({ order }: QueryPlan): string {
  const by = order.map((each) => `${quoteName(each.by)} ${each.direction} NULLS LAST`).join(', ')
  return by === '' ? '' : `ORDER BY ${by}`
}

/** What is shown, ordered by or filtered by: only their states are merged. */
export function measuresNeeded(plan: QueryPlan): string[] {
  const calculatedFrom = plan.derived.map(({ of }) => of.name)
  const shown = new Set([...plan.measures.map(({ name }) => name), ...calculatedFrom, ...measuresRanking(plan)])
  return plan.view.measures.map(({ name }) => name).filter((name) => shown.has(name))
}

/** What is ordered or filtered by. (Names in `having` are found by their text: one too many does no harm.) */
function measuresRanking({ view, order, having: asked }: QueryPlan): string[] {
  const having = view.rank?.having?.toLowerCase() ?? ''
  const by = new Set([...order.map((each) => each.by), ...leavesOf(asked).map(({ column }) => column.name)])
  return view.measures.map(({ name }) => name).filter((name) => by.has(name) || having.includes(name.toLowerCase()))
}

/** All, in pages. With `per` the limit holds within each combination, and the general one over all. */
export function rowsShownMax(plan: QueryPlan): number {
  if (plan.paged) return QUERY_LIMITS.pagedRowsMax
  return plan.per.length === 0 || plan.limit === EVERY_ROW ? plan.limit : QUERY_LIMITS.rowsMax
}
