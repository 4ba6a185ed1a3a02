/**
 * A windowed view at several instants in one answer: each end of a window after `from`, up to `to`, has rows of its own, which are those
 * of `at=<that end>`. One statement joins the panes with the windows that they are in.
 */
import type { CompiledView, GroupBy } from '#core/compiled.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import type { BoundValues } from './bound-values.ts'
import { QueryError } from './query-error.ts'

/** The column of a row that says where its window ends. */
export const WINDOW_END = 'window_end'

/** The flag of a row whose window has more rows than the limit. */
export const WINDOW_CUT = '_cut'

/** The windows that are asked for. */
export interface WindowSeries {
  readonly sizeMs: number
  readonly paneMs: number
  /** from the end of one window to the next */
  readonly everyMs: number
  /** ends of the first and of the last window, epoch ms */
  readonly firstMs: number
  readonly lastMs: number
}

/** null: the query asks for no series of windows. @throws QueryError that names the parameter */
export function windowSeries(view: CompiledView, query: ViewQuery): WindowSeries | null {
  const { everyMs, fromMs, toMs } = query
  if (everyMs === undefined) return null
  const window = view.time.kind === 'panes' ? view.time.window : undefined
  if (window === undefined) throw new QueryError('every', `view '${view.name}' has no window`)
  assertAlone(query)
  if (fromMs === undefined || toMs === undefined)
    throw new QueryError('every', "requires 'from' and 'to': each window that ends after 'from', up to 'to', has rows")
  if (fromMs >= toMs) throw new QueryError('to', 'must be after from')
  const { sizeMs, everyMs: paneMs } = window
  if (everyMs % paneMs !== 0)
    throw new QueryError('every', `must be a multiple of ${paneMs / 1_000} s, the step of the view's window`)
  assertNameIsFree(view)
  const firstMs = Math.floor(fromMs / everyMs) * everyMs + everyMs
  const lastMs = Math.floor(toMs / everyMs) * everyMs
  const series = { sizeMs, paneMs, everyMs, firstMs, lastMs }
  assertPanes(series)
  return series
}

/** Why a member has no meaning for several windows at once. */
const NOT_OF_WINDOWS = {
  at: 'which asks for one window: leave one of them out',
  grain: 'whose rows are those of windows, not of buckets',
  fill: 'which ranks the rows of each window: a group without events in a window has no rank there',
  compare: "whose rows are the comparison: earlier windows are rows of the same answer if 'from' is earlier",
  totals: "whose windows can share events, so that nothing adds up; ask for the totals of one window, with 'at'",
  shares: "whose windows can share events, so that there is no total; ask for the shares of one window, with 'at'",
  per: 'which ranks within each window',
  cursor: 'of which all windows are one answer; read it with limit=all, or ask for fewer windows',
} as const

function assertAlone({ at, grain, fill, compare, totals, shares, per, cursor }: ViewQuery): void {
  const others = { at, grain, fill, compare, totals: totals || undefined, shares, per: per?.[0], cursor }
  for (const [field, value] of Object.entries(others))
    if (value !== undefined)
      throw new QueryError(
        field,
        `cannot be combined with 'every', ${NOT_OF_WINDOWS[field as keyof typeof NOT_OF_WINDOWS]}`,
      )
}

function assertNameIsFree({ name, dimensions, measures, lookups }: CompiledView): void {
  if ([...dimensions, ...measures, ...lookups].some((column) => column.name === WINDOW_END))
    throw new QueryError('every', `the column '${WINDOW_END}' would have the name of another one of '${name}'`)
}

function assertPanes(series: WindowSeries): void {
  const { windowPanesMax } = QUERY_LIMITS
  const windows = windowsOf(series)
  if (windows === 0)
    throw new QueryError(
      'every',
      "no window ends after 'from' and up to 'to': ends are multiples of 'every' since 1970, in UTC",
    )
  const panes = windows * (series.sizeMs / series.paneMs)
  if (panes > windowPanesMax)
    throw new QueryError(
      'every',
      `${windows} windows have together ${panes} panes, more than windowPanesMax = ${windowPanesMax}; ask for a longer step or a shorter time`,
    )
}

function windowsOf({ everyMs, firstMs, lastMs }: WindowSeries): number {
  return Math.max(0, (lastMs - firstMs) / everyMs + 1)
}

/** An answer has all rows of its windows, or is refused. @param limit rows of a window. @throws QueryError */
export function assertWindowRows(series: WindowSeries, limit: number): void {
  const { rowsMax } = QUERY_LIMITS
  const windows = windowsOf(series)
  if (windows * limit > rowsMax)
    throw new QueryError(
      'limit',
      `${windows} windows of up to ${limit} rows can be ${windows * limit} rows, more than rowsMax = ${rowsMax}; ask for fewer rows of each window with 'limit', for a longer 'every', or for an export with limit=all`,
    )
}

/** The event time of all windows together. */
export function rangeOfWindows({ sizeMs, firstMs, lastMs }: WindowSeries): {
  readonly fromMs: number
  readonly toMs: number
} {
  return { fromMs: firstMs - sizeMs, toMs: lastMs }
}

/** Those of the windows that begin at a time or later. */
export function windowsFrom(series: WindowSeries, atMs: number): WindowSeries {
  const { sizeMs, everyMs, firstMs } = series
  const passed = Math.max(0, Math.ceil((atMs + sizeMs - firstMs) / everyMs))
  return { ...series, firstMs: firstMs + passed * everyMs }
}

/**
 * Each state row once for each window that its pane is in.
 * @param states relation of state rows, which is named once
 */
export function windowedStates(
  { sizeMs, paneMs, everyMs, firstMs, lastMs }: WindowSeries,
  states: string,
  bound: BoundValues,
): { readonly states: string; readonly group: GroupBy } {
  const [first, last] = [firstMs, lastMs].map((ms) => `${bound.bind(BigInt(ms))}::BIGINT`)
  const ends = `SELECT unnest(range(${first}, ${last} + 1, ${everyMs})) AS _end`
  const panes = `SELECT _end, unnest(range(_end - ${sizeMs}, _end, ${paneMs})) AS _pane FROM (${ends})`
  return {
    states: `(SELECT * FROM ${states} AS _states JOIN (${panes}) AS _windows ON _pane = pane)`,
    group: { name: WINDOW_END, sql: '_end' },
  }
}

/** How the rows of a series are ordered: window by window, and in each as the window alone would be. */
export function windowFirst<Order extends { readonly by: string }>(order: readonly Order[]): (Order | WindowOrder)[] {
  const own = order.find(({ by }) => by === WINDOW_END) ?? ({ by: WINDOW_END, direction: 'asc' } as const)
  return [own, ...order.filter(({ by }) => by !== WINDOW_END)]
}

interface WindowOrder {
  readonly by: typeof WINDOW_END
  readonly direction: 'asc'
}
