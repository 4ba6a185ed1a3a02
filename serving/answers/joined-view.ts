/** Several views as one: their shared dimensions, and their measures under the names of their views. */
import type { CompiledDataset, CompiledMeasure, CompiledView, SqlColumn, ViewTime } from '#core/compiled.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { QueryError, UnknownViewError } from './query-error.ts'
import { unknownName } from './unknown-name.ts'

export interface JoinedView {
  /** for checking and showing answers; it has no states of its own */
  readonly view: CompiledView
  readonly views: readonly CompiledView[]
}

/** Under which name an answer shows a view's measure. */
export function joinedName({ name }: Pick<CompiledView, 'name'>, measure: string): string {
  return `${name}.${measure}`
}

/** @throws QueryError, UnknownViewError */
export function joinedView(
  { views: all, series }: Pick<CompiledDataset, 'views' | 'series'>,
  names: readonly string[],
  query: ViewQuery,
): JoinedView {
  const { viewsMax } = QUERY_LIMITS
  if (names.length < 2 || names.length > viewsMax)
    throw new QueryError('views', `name from 2 to viewsMax = ${viewsMax} views`)
  if (new Set(names).size !== names.length) throw new QueryError('views', 'a name is given more than once')
  if (query.at !== undefined) throw new QueryError('at', "cannot be combined with 'views'; give 'from' and 'to'")
  if (query.everyMs !== undefined) throw new QueryError('every', "cannot be combined with 'views'; ask each by itself")
  const views = names.map((name) => {
    const view = all.get(name)
    if (series.has(name)) throw new QueryError('views', `'${name}' is a series; only views can be joined`)
    if (view === undefined) throw new UnknownViewError('views', unknownName(name, [...all.keys()]), [...all.keys()])
    assertNoWindow(view, query)
    return view
  })
  const [first] = views as [CompiledView, ...CompiledView[]]
  const dimensions = first.dimensions.filter(({ name, type }) =>
    views.every((view) => view.dimensions.some((one) => one.name === name && one.type === type)),
  )
  return { view: asOne(views, first, dimensions), views }
}

function assertNoWindow({ name, time }: CompiledView, { fromMs, toMs, grain }: ViewQuery): void {
  if (time.kind !== 'panes' || time.window === undefined) return
  if (fromMs === undefined && toMs === undefined && grain === undefined)
    throw new QueryError('views', `'${name}' has a window: give 'from' and 'to', which all views share`)
}

function asOne(views: readonly CompiledView[], first: CompiledView, dimensions: readonly SqlColumn[]): CompiledView {
  const name = views.map((view) => view.name).join('+')
  const none = (): never => {
    throw new Error(`'${name}' has no states of its own`)
  }
  const measures = views.flatMap((view) =>
    view.measures.map((measure): CompiledMeasure => ({ ...measure, name: joinedName(view, measure.name) })),
  )
  const lookups = views
    .flatMap((view) => view.lookups)
    .filter(({ key }) => dimensions.some((dimension) => dimension.name === key))
  return {
    dataset: first.dataset,
    name,
    hash: views.map(({ hash }) => hash).join('+'),
    time: timeOf(views),
    isUnnested: views.some(({ isUnnested }) => isUnnested),
    reads: [...new Set(views.flatMap(({ reads }) => reads))],
    dimensions,
    measures,
    lookups: lookups.filter((lookup, at) => lookups.findIndex((other) => other.name === lookup.name) === at),
    stateColumns: [],
    partialSql: none,
    partialByPartitionSql: none,
    keysSql: none,
    partialOfKeysSql: none,
    mergeSql: none,
    presentSql: none,
    recountSql: none,
  }
}

/** What all of them can be asked for. */
function timeOf(views: readonly CompiledView[]): ViewTime {
  const times = views.flatMap(({ time }) => (time.kind === 'panes' ? [time] : []))
  if (times.length < views.length) return { kind: 'all-time' }
  const [first] = times
  return {
    kind: 'panes',
    paneMs: Math.max(...times.map(({ paneMs }) => paneMs)),
    grains: first!.grains.filter((grain) => times.every(({ grains }) => grains.includes(grain))),
  }
}
