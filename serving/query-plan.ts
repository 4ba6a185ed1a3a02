/** Checks a query against its view and settles everything that it leaves open. */
import type { CompiledMeasure, CompiledView } from '#core/compiled.ts'
import { nearest } from '#core/definition-error.ts'
import { type FixedGrain, GRAIN_MS } from '#core/grains.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { QueryError } from './query-error.ts'

export interface Order {
  readonly by: string
  readonly direction: 'asc' | 'desc'
}

export interface QueryPlan {
  readonly view: CompiledView
  readonly query: ViewQuery
  readonly dimensions: readonly string[]
  readonly measures: readonly CompiledMeasure[]
  readonly timezone: string
  readonly order: readonly Order[]
  readonly limit: number
  readonly per: readonly string[]
  /** a window is asked for: `at` decides the range */
  readonly windowed: boolean
}

/** @throws QueryError that names the parameter */
export function planQuery(view: CompiledView, query: ViewQuery): QueryPlan {
  const names = view.dimensions.map((dimension) => dimension.name)
  const measureNames = view.measures.map((measure) => measure.name)
  const dimensions = query.dimensions ?? view.rank?.dimensions ?? names
  known('dimensions', dimensions, names)
  known('measures', query.measures ?? [], measureNames)
  const per = query.per ?? []
  known('per', per, dimensions)
  const keep = [...(query.grain === undefined ? [] : ['time']), ...dimensions]
  known(
    'order',
    (query.order ?? []).map(({ by }) => by),
    [...keep, ...measureNames],
  )
  checkFilters(view, query, names)
  const windowed =
    view.window !== undefined && query.fromMs === undefined && query.toMs === undefined && query.grain === undefined
  checkTime(view, query, windowed)
  const limit = query.limit ?? view.rank?.limit ?? QUERY_LIMITS.rowsDefault
  if (!Number.isInteger(limit) || limit < 1 || limit > QUERY_LIMITS.rowsMax) {
    throw new QueryError('limit', `must be a whole number from 1 to rowsMax = ${QUERY_LIMITS.rowsMax}`)
  }
  const ranked: Order[] = view.rank && query.grain === undefined ? [{ by: view.rank.by, direction: 'desc' }] : []
  const wanted = query.order ?? ranked
  const tie = keep
    .filter((name) => !wanted.some(({ by }) => by === name))
    .map((by): Order => ({ by, direction: 'asc' }))
  return {
    view,
    query,
    dimensions,
    measures: query.measures
      ? query.measures.map((name) => view.measures.find((measure) => measure.name === name)!)
      : view.measures,
    timezone: query.timezone ?? 'UTC',
    order: [...wanted, ...tie],
    limit,
    per,
    windowed,
  }
}

function known(field: string, wanted: readonly string[], allowed: readonly string[]): void {
  for (const name of wanted) {
    if (!allowed.includes(name)) throw new QueryError(field, `'${name}' is unknown${nearest(name, allowed)}`, allowed)
  }
  if (new Set(wanted).size !== wanted.length) throw new QueryError(field, 'a name is given twice')
}

function checkFilters(view: CompiledView, query: ViewQuery, names: readonly string[]): void {
  const filters = query.filters ?? []
  const { filtersMax, filterValuesMax, filterValueCharsMax } = QUERY_LIMITS
  if (filters.length > filtersMax) throw new QueryError('filter', `at most filtersMax = ${filtersMax}`)
  for (const { dimension, operator, values } of filters) {
    if (!names.includes(dimension)) {
      throw new QueryError('filter', `'${dimension}' is no dimension${nearest(dimension, names)}`, names)
    }
    if (values.length > filterValuesMax)
      throw new QueryError('filter', `at most filterValuesMax = ${filterValuesMax} values`)
    if (values.some((value) => value.length > filterValueCharsMax)) {
      throw new QueryError('filter', `a value has at most filterValueCharsMax = ${filterValueCharsMax} characters`)
    }
    if (operator !== 'null' && operator !== 'notnull' && values.length === 0) {
      throw new QueryError('filter', `'${dimension}' needs a value after ${operator}`)
    }
    const type = view.dimensions.find((entry) => entry.name === dimension)!.type
    if (operator === 'contains' && type !== 'VARCHAR') {
      throw new QueryError('filter', `contains needs a text, but '${dimension}' is ${type}`)
    }
  }
}

function checkTime(view: CompiledView, query: ViewQuery, windowed: boolean): void {
  const { paneMs } = view
  const { fromMs, toMs, grain, at } = query
  if (paneMs === undefined) {
    for (const [field, value] of Object.entries({ from: fromMs, to: toMs, grain, at, timezone: query.timezone })) {
      if (value !== undefined) throw new QueryError(field, `view '${view.name}' has no time`)
    }
    return
  }
  if (at !== undefined && !windowed) {
    throw new QueryError(
      'at',
      view.window ? 'goes with a window; leave out from, to and grain' : `view '${view.name}' has no window`,
    )
  }
  for (const [field, ms] of Object.entries({ from: fromMs, to: toMs })) {
    if (ms !== undefined && ms % paneMs !== 0) {
      const near = [Math.floor(ms / paneMs), Math.ceil(ms / paneMs)].map((n) => new Date(n * paneMs).toISOString())
      throw new QueryError(
        field,
        `must fall on a multiple of the view's pane of ${paneMs / 1_000} s, for example ${near.join(' or ')}`,
      )
    }
  }
  if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) throw new QueryError('to', 'must be after from')
  if (grain !== undefined && !view.grains.includes(grain)) {
    throw new QueryError('grain', `'${grain}' is not one of the view's${nearest(grain, view.grains)}`, view.grains)
  }
  checkTimezone(query, paneMs)
}

/** A local day or hour must be made of whole panes. */
function checkTimezone(query: ViewQuery, paneMs: number): void {
  const zone = query.timezone
  if (zone === undefined || zone === 'UTC') return
  if (query.grain === undefined) throw new QueryError('timezone', 'goes with grain')
  const stepMinutes = zoneStepMinutes(zone)
  if (paneMs > stepMinutes * 60_000) {
    throw new QueryError(
      'timezone',
      `the view's panes of ${paneMs / 60_000} minutes do not fit the offsets of ${zone}; ask in UTC`,
    )
  }
  if (query.grain in GRAIN_MS && GRAIN_MS[query.grain as FixedGrain] < 3_600_000) {
    throw new QueryError('timezone', `makes no difference for the grain ${query.grain}; leave it out`)
  }
}

/** 60 where all of the zone's offsets since 1972 are whole hours, else 15: no zone has had finer ones since then. */
function zoneStepMinutes(zone: string): number {
  try {
    const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
    for (let year = 1972; year <= new Date().getUTCFullYear(); year++) {
      for (const month of [0, 6]) {
        const name = format.formatToParts(Date.UTC(year, month, 1)).find((part) => part.type === 'timeZoneName')?.value
        if (/:(?!00)\d\d/.test(name ?? '')) return 15
      }
    }
    return 60
  } catch {
    throw new QueryError('timezone', `'${zone}' is no IANA time zone; write for example Europe/Berlin`)
  }
}
