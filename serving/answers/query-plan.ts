/** Checks a query against its view or series, and settles everything that it leaves open. */
import type {
  CompiledDataset,
  CompiledGrouping,
  CompiledMeasure,
  CompiledRank,
  CompiledSeries,
  CompiledSeriesColumn,
  CompiledView,
  PanesTime,
  SlidingWindow,
  SqlColumn,
} from '#core/compiled.ts'
import { type Condition, leavesOf, withLeaves } from '#core/condition.ts'
import { nearest } from '#core/definition-error.ts'
import type { Grain } from '#core/grains.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import { type Fill, type HavingFilter, QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { type DerivedColumn, derivedColumns } from './derived-columns.ts'
import { assertPeriod, checkShift, parsedShift, type Shift } from './earlier-period.ts'
import { checkFilter, type FilterField } from './filter-sql.ts'
import { groupedQueries } from './grouped-queries.ts'
import { joinedView } from './joined-view.ts'
import { plannedFill } from './planned-fill.ts'
import { QueryError, UnknownViewError } from './query-error.ts'
import { unknownName } from './unknown-name.ts'
import { WINDOW_END, type WindowSeries, windowFirst, windowSeries } from './window-series.ts'
import { isTimezone } from './zone-time.ts'

export interface Order {
  readonly by: string
  readonly direction: 'asc' | 'desc'
}

/** A condition on the finished rows. */
export interface PlannedHaving {
  readonly column: SqlColumn
  readonly filter: HavingFilter
}

/** A grouping, and the rows that it groups. */
export interface PlannedGrouping extends CompiledGrouping {
  readonly rows: QueryPlan
}

/** Of a plan: what it may use of old panes. */
export interface KeptDetail {
  /** states of panes before this are not used, epoch ms; null: all are */
  readonly fromMs: number | null
  /** what is left of the panes from there on: their buckets are those of the merged panes */
  readonly horizon: PaneHorizon
}

export interface QueryPlan {
  /** what is asked: the view, or a series over it */
  readonly name: string
  /** whose states are merged */
  readonly view: CompiledView
  /** null: the view's own rows are asked for */
  readonly series: CompiledSeries | null
  readonly query: ViewQuery
  /** null: the rows are those of the view itself, not groups of them */
  readonly grouping: PlannedGrouping | null
  /** of each view, where several are asked for; null: one is */
  readonly sides: readonly QueryPlan[] | null
  readonly dimensions: readonly string[]
  readonly measures: readonly CompiledMeasure[]
  /** those of the series that are shown */
  readonly columns: readonly CompiledSeriesColumn[]
  /** measures and columns, in the order in which they are shown */
  readonly values: readonly SqlColumn[]
  /** what is calculated from measures of the row, shown after them */
  readonly derived: readonly DerivedColumn[]
  /** the view's; a series has none */
  readonly rank: CompiledRank | undefined
  readonly timezone: string
  readonly order: readonly Order[]
  /** all must hold */
  readonly having: readonly Condition<PlannedHaving>[]
  readonly limit: number
  /** all rows are computed, `limit` is the size of a page */
  readonly paged: boolean
  readonly per: readonly string[]
  /** how far back the period is that rows are compared with, null: as far as it is long; undefined: there is no comparison */
  readonly shift: Shift | null | undefined
  /** the measures of all groups together are wanted, too */
  readonly totals: boolean
  /** the time buckets that are asked for */
  readonly buckets: { readonly grain: Grain; readonly paneMs: number } | null
  /** what buckets without events show; null: they have no row, or it is a series */
  readonly fill: Fill | null
  /** the window that is asked for: `at` decides the range */
  readonly window: SlidingWindow | null
  /** the windows that are asked for, each with rows of its own; null: there is at most one */
  readonly windows: WindowSeries | null
  /** what it may use of old panes (kept-detail.ts); null: of a plan that was not narrowed, or everything */
  readonly detail: KeptDetail | null
}

type TimeAsked = Pick<QueryPlan, 'buckets' | 'window' | 'windows'>

/** The plan of a query of one of the dataset's views or series. @throws QueryError that names the parameter, UnknownViewError */
export function planFor(
  { views, series, groupings }: Pick<CompiledDataset, 'views' | 'series' | 'groupings'>,
  query: ViewQuery,
): QueryPlan {
  if (query.views !== undefined) return planViews({ views, series }, query.views, query)
  const view = views.get(query.view)
  if (view !== undefined) return planQuery(view, query)
  const one = series.get(query.view)
  if (one !== undefined) return planQuery(one.over, query, one)
  const grouping = groupings.get(query.view)
  if (grouping !== undefined) return planGrouping(grouping, query)
  const names = [...views.keys(), ...series.keys(), ...groupings.keys()]
  throw new UnknownViewError('view', unknownName(query.view, names), names)
}

/** The range is one of the view's rows; everything else is of the groups. */
function planGrouping(grouping: CompiledGrouping, query: ViewQuery): QueryPlan {
  const asked = groupedQueries(grouping, query)
  const rows = planQuery({ ...grouping.over, rank: undefined }, asked.rows)
  const groups = planQuery(grouping.view, asked.groups)
  return { ...groups, query, timezone: rows.timezone, window: rows.window, grouping: { ...grouping, rows } }
}

/** Each view is asked for the shared part of the question. */
function planViews(
  dataset: Pick<CompiledDataset, 'views' | 'series'>,
  names: readonly string[],
  query: ViewQuery,
): QueryPlan {
  const { view, views } = joinedView(dataset, names, query)
  const plan = planQuery(view, query)
  const { dataset: name, filters, fromMs, toMs, grain, timezone } = query
  const shared = { dataset: name, dimensions: plan.dimensions, filters, fromMs, toMs, grain, timezone }
  return { ...plan, sides: views.map((side) => planQuery(side, { ...shared, view: side.name })) }
}

/** The views whose states an answer is merged from. */
export function viewsOf({
  view,
  sides,
  grouping,
}: Pick<QueryPlan, 'view' | 'sides' | 'grouping'>): readonly CompiledView[] {
  if (grouping !== null) return [grouping.over]
  return sides === null ? [view] : sides.map((side) => side.view)
}

/** @throws QueryError that names the parameter */
export function planQuery(view: CompiledView, query: ViewQuery, series: CompiledSeries | null = null): QueryPlan {
  const names = view.dimensions.map((dimension) => dimension.name)
  const rank = series === null ? view.rank : undefined
  const values = [...view.measures, ...(series?.columns ?? [])]
  const valueNames = values.map(({ name }) => name)
  const derived = derivedColumns(view, series, query)
  const time = series === null ? timeAsked(view, query) : timeOfSeries(series, query)
  const per = time.windows === null ? (query.per ?? []) : [WINDOW_END]
  const dimensions = query.dimensions ?? withPer(series?.by ?? rank?.dimensions ?? names, per, names)
  known('dimensions', dimensions, names)
  known('measures', query.measures ?? [], valueNames)
  const grain = query.grain ?? series?.grain
  const when = time.windows !== null ? [WINDOW_END] : grain === undefined ? [] : ['time']
  const keep = [...when, ...dimensions]
  known('per', per, keep)
  if (query.per !== undefined && per.length > 0 && query.order === undefined && rank === undefined)
    throw new QueryError('per', "requires 'order', which ranks the rows of each combination")
  known(
    'order',
    (query.order ?? []).map(({ by }) => by),
    [...keep, ...valueNames, ...derived.map(({ name }) => name)],
  )
  checkFilters(view, query, names)
  const having = havingOf([...values, ...derived.filter(({ kind }) => kind !== 'share')], query)
  const shift = shiftOf(query, grain, time.window !== null)
  if (shift !== undefined && query.totals && (having.length > 0 || rank?.having !== undefined))
    throw new QueryError(
      'totals',
      "cannot be combined with 'compare' and 'having': groups that pass can have had others beside them",
    )
  const limit = query.limit ?? rank?.limit ?? QUERY_LIMITS.rowsDefault
  if (!Number.isInteger(limit) || limit < 1 || limit > QUERY_LIMITS.rowsMax) {
    throw new QueryError('limit', `must be an integer from 1 to rowsMax = ${QUERY_LIMITS.rowsMax}`)
  }
  if (query.cursor !== undefined && per.length > 0) throw new QueryError('cursor', "cannot be combined with 'per'")
  const ranked: Order[] = rank && (grain === undefined || per.length > 0) ? [{ by: rank.by, direction: 'desc' }] : []
  const asked = query.order ?? ranked
  const wanted = time.windows === null ? asked : windowFirst(asked)
  const tie = keep
    .filter((name) => !wanted.some(({ by }) => by === name))
    .map((by): Order => ({ by, direction: 'asc' }))
  const shown = query.measures ?? valueNames
  if (shown.length === 0 && keep.length === 0 && derived.length === 0)
    throw new QueryError('measures', 'name a measure, or a dimension: the rows would have no columns')
  return {
    name: series?.name ?? view.name,
    view,
    series,
    grouping: null,
    sides: null,
    query,
    dimensions,
    measures: view.measures.filter(({ name }) => shown.includes(name)),
    columns: (series?.columns ?? []).filter(({ name }) => shown.includes(name)),
    values: shown.map((name) => values.find((value) => value.name === name)!),
    derived,
    rank,
    timezone: query.timezone ?? 'UTC',
    order: [...wanted, ...tie],
    having,
    limit,
    paged: query.cursor !== undefined,
    per,
    shift,
    totals: query.totals === true,
    fill: plannedFill(query, series, grain),
    detail: null,
    ...time,
  }
}

function shiftOf(query: ViewQuery, grain: Grain | undefined, isWindow: boolean): QueryPlan['shift'] {
  if (query.compare === undefined) return undefined
  assertPeriod(query, isWindow)
  const shift = parsedShift(query.compare)
  if (shift !== null) checkShift(shift, grain)
  return shift
}

/** Ranking within each country shows the country, also where the view's own ranking does not. */
function withPer(dimensions: readonly string[], per: readonly string[], names: readonly string[]): readonly string[] {
  return [...per.filter((name) => names.includes(name) && !dimensions.includes(name)), ...dimensions]
}

function known(field: string, wanted: readonly string[], allowed: readonly string[]): void {
  for (const name of wanted) {
    if (!allowed.includes(name)) throw new QueryError(field, `'${name}' is unknown${nearest(name, allowed)}`, allowed)
  }
  if (new Set(wanted).size !== wanted.length) throw new QueryError(field, 'a name is given more than once')
}

function checkFilters(view: CompiledView, query: ViewQuery, names: readonly string[]): void {
  const filters = leavesOf(query.filters ?? [])
  checkNumber('filter', filters)
  for (const filter of filters) {
    known('filter', [filter.dimension], names)
    checkFilter(view.dimensions.find(({ name }) => name === filter.dimension)!, filter)
  }
}

function checkNumber(field: FilterField, filters: readonly unknown[]): void {
  const { filtersMax } = QUERY_LIMITS
  if (filters.length > filtersMax) throw new QueryError(field, `more than filtersMax = ${filtersMax} filters are given`)
}

function havingOf(columns: readonly SqlColumn[], { having = [] }: ViewQuery): Condition<PlannedHaving>[] {
  checkNumber('having', leavesOf(having))
  const planned = (filter: HavingFilter): PlannedHaving => {
    known(
      'having',
      [filter.measure],
      columns.map(({ name }) => name),
    )
    const column = columns.find(({ name }) => name === filter.measure)!
    checkFilter(column, filter, 'having')
    return { column, filter }
  }
  return having.map((condition) => withLeaves(condition, planned))
}

function timeAsked(view: CompiledView, query: ViewQuery): TimeAsked {
  const { name, time } = view
  const { fromMs, toMs, grain, at } = query
  if (time.kind === 'all-time') {
    for (const [field, value] of Object.entries({ from: fromMs, to: toMs, grain, at, timezone: query.timezone })) {
      if (value !== undefined) throw new QueryError(field, `view '${name}' has no time dimension`)
    }
    return { buckets: null, window: null, windows: windowSeries(view, query) }
  }
  const { paneMs } = time
  const windows = windowSeries(view, query)
  const windowed = fromMs === undefined && toMs === undefined && grain === undefined
  const window = windowed ? (time.window ?? null) : null
  if (at !== undefined && window === null) {
    throw new QueryError(
      'at',
      time.window ? "cannot be combined with 'from', 'to' or 'grain'" : `view '${name}' has no window`,
    )
  }
  for (const [field, ms] of Object.entries({ from: fromMs, to: toMs })) {
    if (ms !== undefined && ms % paneMs !== 0) {
      const near = [Math.floor(ms / paneMs), Math.ceil(ms / paneMs)].map((n) => new Date(n * paneMs).toISOString())
      throw new QueryError(
        field,
        `must be a multiple of the view's pane of ${paneMs / 1_000} s (nearest: ${near.join(' or ')})`,
      )
    }
  }
  checkBuckets(name, time, query, grain)
  checkTimezone(query, grain)
  return { buckets: grain === undefined ? null : { grain, paneMs }, window, windows }
}

/** Rows of a series are whole buckets, wherever `from` and `to` are: they select by `time`. */
function timeOfSeries({ name, over: { time }, grain: usual }: CompiledSeries, query: ViewQuery): TimeAsked {
  for (const [field, value] of [['at', query.at] as const, ['every', query.everyMs] as const])
    if (value !== undefined) throw new QueryError(field, `series '${name}' has no window`)
  const grain = query.grain ?? usual
  checkBuckets(name, time, query, grain)
  checkTimezone(query, grain)
  return { buckets: { grain, paneMs: time.paneMs }, window: null, windows: null }
}

function checkBuckets(
  view: string,
  { grains }: PanesTime,
  { fromMs, toMs }: ViewQuery,
  grain: Grain | undefined,
): void {
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) throw new QueryError('to', 'must be after from')
  if (grain !== undefined && !grains.includes(grain))
    throw new QueryError('grain', `'${grain}' is not a grain of '${view}'${nearest(grain, grains)}`, grains)
}

/** Whether the zone's offsets fit the panes is known when the panes are read (time-bucket.ts). */
function checkTimezone({ timezone, fromMs, toMs, at }: ViewQuery, grain: Grain | undefined): void {
  if (timezone === undefined) return
  if (grain === undefined && fromMs === undefined && toMs === undefined && typeof at !== 'number')
    throw new QueryError('timezone', "can be used only with 'grain', 'from', 'to' or a time in 'at'")
  if (!isTimezone(timezone)) throw unknownTimezone(timezone)
}

export function unknownTimezone(timezone: string): QueryError {
  return new QueryError('timezone', `'${timezone}' is not an IANA time zone (example: Europe/Berlin)`)
}
