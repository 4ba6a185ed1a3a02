/**
 * The panels of a dataset as Kibana can show them, over the presented indices. What Kibana would add up wrongly, or cannot draw, is left
 * out: countries as shapes, ratios, means, what a series calculates, and distinct counts of more than one row.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import type { MeasureDefinition } from '#core/definition-parts.ts'
import type { PanelKind } from '#core/panel-definition.ts'
import type { Panel as ShownPanel } from '#core/panels/panel.ts'
import { chartable, isWindowed, labelOf, placeOf, titled } from '#core/panels/panel-source.ts'
import { type DrawnShape, drawnOf } from './kibana-drawn.ts'
import type { Bucket, ChartPanel, Dashboard, Metric, Panel, PresentedData, TermsBucket } from './panel.ts'
import { panelFaults } from './panel-meaning.ts'

export interface KibanaContent {
  readonly dashboards: readonly Dashboard[]
  readonly dataViews: readonly PresentedData[]
}

type Compiled = Pick<CompiledDataset, 'name' | 'label' | 'views' | 'series' | 'dashboard' | 'definition'>

const SHAPES: Partial<Record<PanelKind, ChartPanel['shape'] | 'map'>> = {
  ...{ number: 'number', lines: 'lines', stacked: 'stacked', bars: 'bars', ranking: 'ranking', table: 'table' },
  ...{ map: 'map', points: 'map', funnel: 'ranking' },
}
/** drawn by Vega */
const DRAWN: Partial<Record<PanelKind, DrawnShape>> = { heat: 'heat', histogram: 'histogram', candles: 'candles' }
/** these show one measure at a time, and the page lets people choose */
const ONE_MEASURE: readonly PanelKind[] = ['lines', 'bars', 'ranking', 'map', 'points']
const OVER_TIME: readonly PanelKind[] = ['lines', 'stacked', 'bars']
const UNITS_PER_COLUMN = 4
const HEIGHTS = { number: 8, map: 18 } as const
const HEIGHT = 14
const HEIGHTS_DRAWN = { heat: 14, histogram: 14, candles: 22 } as const
const NUMBER_WIDTH = 12
const GROUPS = 50
const GROUPS_INNER = 5

/** One dashboard for each section, with the data views that its panels read. */
export function kibanaDashboards(dataset: Compiled): KibanaContent {
  const sections = [...Map.groupBy(dataset.dashboard.panels, ({ section }) => section)]
  const dashboards = sections.flatMap(([section, shown]): Dashboard[] => {
    const panels = shown.flatMap((panel) => kibanaPanels(panel, dataset))
    const views = panels.map(({ view }) => dataset.views.get(view)!)
    const title = `${labelOf(dataset)}: ${section.toLowerCase()}`
    const description = 'As the live page shows it, where Kibana can'
    return panels.length === 0 ? [] : [{ id: slug(section), title, description, from: spanOf(views), panels }]
  })
  const used = new Set(dashboards.flatMap(({ panels }) => panels.map(({ view }) => view)))
  const views = [...dataset.views.values()].filter(({ name }) => used.has(name))
  return { dashboards, dataViews: views.map((view) => ({ view: view.name, title: labelOf(view), time: timeOf(view) })) }
}

/** Kibana's words for the newest events that the shortest-lived of the views shows. */
function spanOf(views: readonly CompiledView[]): string {
  if (views.some(isWindowed)) return 'now-15m'
  return views.some(({ time }) => time.kind === 'all-time') ? 'now-30d' : 'now-24h'
}

function slug(section: string): string {
  return section
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}

/** The field that a time range filters: of a list over all time, the newest moment that it keeps. */
function timeOf(view: CompiledView): string {
  if (isWindowed(view)) return 'window_end'
  if (view.time.kind === 'panes') return 'time'
  return view.measures.find(({ kind, type }) => kind === 'max' && type.startsWith('TIMESTAMP'))?.name ?? 'time'
}

function kibanaPanels(panel: ShownPanel, dataset: Compiled): Panel[] {
  const view = panel.view === null ? undefined : dataset.views.get(panel.view)
  const shape = SHAPES[panel.kind]
  const drawn = DRAWN[panel.kind]
  if (drawn !== undefined) return drawnPanels(drawn, panel, dataset)
  if (view === undefined || shape === undefined) return []
  const measures = ONE_MEASURE.includes(panel.kind) ? panel.measures.slice(0, 1) : panel.measures
  if (shape !== 'number')
    return converted(panel, { ...sourceOf(view, measures[0]!, panel, dataset), measures }, dataset)
  const counter = { ...panel, title: `Different values of ${view.rank?.dimensions[0]}` }
  if (isWindowed(view)) return converted(counter, { view, measures: [], counted: null }, dataset)
  return measures.flatMap((measure) => {
    const named = { ...panel, id: `${panel.id}-${measure}`, title: labelOf(measureOf(view, measure)) }
    return converted(named, { ...sourceOf(view, measure, panel, dataset), measures: [measure] }, dataset)
  })
}

function drawnPanels(shape: DrawnShape, panel: ShownPanel, dataset: Compiled): Panel[] {
  const view = dataset.views.get(panel.view!) ?? dataset.series.get(panel.view!)?.over
  const drawn = view && drawnOf(shape, panel, view, dataset.definition!)
  if (view === undefined || drawn == null) return []
  const { id, title, width } = panel
  const made = { id, title, view: view.name, width: width * UNITS_PER_COLUMN, height: HEIGHTS_DRAWN[shape], ...drawn }
  return meansSo(made, dataset) ? [made] : []
}

interface Source {
  readonly view: CompiledView
  readonly measures: readonly string[]
  /** the distinct count that is the number of rows of the view; null: there is none */
  readonly counted: { readonly name: string; readonly label: string } | null
}

const measureOf = (view: CompiledView, name: string) => view.measures.find((measure) => measure.name === name)!

/**
 * Distinct counts of several rows do not add up. But a list that has one row per counted value, and keeps what the panel groups by, can be
 * counted: groups by city are the rows of the list of groups, by their newest city.
 */
function sourceOf(view: CompiledView, first: string, panel: ShownPanel, dataset: Compiled): Omit<Source, 'measures'> {
  const measure = measureOf(view, first)
  const none = { view, counted: null }
  if (measure.kind !== 'countDistinct' || view.time.kind === 'all-time') return none
  const { expression, where } = definedMeasure(dataset, view, first)
  const list = [...dataset.views.values()].find(({ name, time, measures }) => {
    const { dimensions, where: only } = dataset.definition!.views[name]!
    const keeps = panel.dimensions.every((by) => measures.some((one) => one.name === by && one.kind === 'latest'))
    const same = Object.values(dimensions).length === 1 && Object.values(dimensions)[0] === expression
    return time.kind === 'all-time' && same && keeps && only === undefined && where === undefined
  })
  return list === undefined ? none : { view: list, counted: { name: first, label: labelOf(measure) } }
}

function definedMeasure({ definition }: Compiled, view: CompiledView, name: string): MeasureDefinition {
  return definition!.views[view.name]!.measures[name]!
}

/** The panel with those of its measures that mean what they say; nothing if there is none. */
function converted(panel: ShownPanel, source: Source, dataset: Compiled): Panel[] {
  const { view } = source
  const draft = draftOf(panel, source, dataset)
  if (draft === null) return []
  const show = metricsOf(source).filter((metric) => meansSo({ ...draft, show: [metric] }, dataset))
  const dropped = source.measures.length > 0 && !show.some(({ label }) => label === firstLabel(source))
  if (show.length === 0 || (panel.kind !== 'table' && dropped)) return []
  const { title } = draft
  return [
    { ...draft, show, title: source.counted === null || !OVER_TIME.includes(panel.kind) ? title : timed(title, view) },
  ]
}

const timed = (title: string, view: CompiledView): string =>
  `${title} (${labelOf(measureOf(view, timeOf(view))).toLowerCase()})`

function firstLabel({ view, measures, counted }: Source): string {
  return counted === null ? labelOf(measureOf(view, measures[0]!)) : counted.label
}

function meansSo(panel: Panel, { definition }: Compiled): boolean {
  return panelFaults(panel, definition!).length === 0
}

/** The panel without its metrics; null where Kibana cannot draw it. */
function draftOf(panel: ShownPanel, { view, counted }: Source, { views }: Compiled): Panel | null {
  const shape = SHAPES[panel.kind]!
  const width = shape === 'number' ? NUMBER_WIDTH : panel.width * UNITS_PER_COLUMN
  const height = shape in HEIGHTS ? HEIGHTS[shape as keyof typeof HEIGHTS] : HEIGHT
  const own = { id: panel.id, title: panel.title, view: view.name, show: [], width, height, ...scopeOf(panel, view) }
  if (shape !== 'map') return { ...own, shape, by: bucketsOf(panel, view, counted === null) }
  const source = { name: view.name, view: views.get(view.name)!, series: null, measures: view.measures }
  const located = panel.kind === 'points' ? placeOf(source) !== null : isWindowed(view)
  return located ? { ...own, shape, place: 'location' } : null
}

/** Rankings over everything, or within a dimension that the ranking itself does not show. */
function scopeOf({ dimensions }: ShownPanel, view: CompiledView): Pick<Panel, 'where'> {
  if (!isWindowed(view)) return {}
  const within = dimensions.find((name) => !(view.rank?.dimensions ?? []).includes(name))
  return { where: { field: 'scope', value: within ?? 'global' } }
}

function bucketsOf(panel: ShownPanel, view: CompiledView, perRow: boolean): Bucket[] {
  const titles = perRow && view.time.kind === 'all-time' && panel.kind === 'table' ? titleOf(view) : []
  const names = [...titles, ...panel.dimensions]
  const groups = names.map((name, index): Bucket => {
    const values = panel.filter[name]
    if (values !== undefined) return { kind: 'values', field: name, values }
    const size = panel.limit ?? (index === 0 ? GROUPS : GROUPS_INNER)
    return { kind: 'terms', field: fieldOf(view, name), size, label: titled(name), ...fieldType(view, name) }
  })
  return OVER_TIME.includes(panel.kind) ? [...groups, { kind: 'time', field: timeOf(view) }] : groups
}

/** Of a field that is not a keyword. */
function fieldType(view: CompiledView, name: string): Pick<TermsBucket, 'type'> {
  const column = [...view.dimensions, ...view.measures].filter((one) => one.name === name)
  if (chartable(column).length > 0) return { type: 'number' }
  return column.some(({ type }) => type === 'BOOLEAN') ? { type: 'boolean' } : {}
}

function titleOf({ measures }: CompiledView): string[] {
  return measures.flatMap(({ name, type }) => (/^(name|title)$/.test(name) && type === 'VARCHAR' ? [name] : []))
}

/** The name that a lookup has for the value, where there is one. */
function fieldOf({ lookups }: CompiledView, name: string): string {
  return lookups.find(({ key, attribute }) => key === name && attribute === 'name')?.name ?? name
}

function metricsOf({ view, measures, counted }: Source): Metric[] {
  const [shown] = view.rank?.dimensions ?? []
  if (measures.length === 0) return [{ kind: 'distinct', field: shown ?? '', label: `Different values of ${shown}` }]
  return measures.flatMap((name): Metric[] => {
    if (name === counted?.name) return [{ kind: 'count', label: counted.label }]
    const measure = view.measures.find((one) => one.name === name)
    if (measure === undefined || chartable([measure]).length === 0 || titleOf(view).includes(name)) return []
    const adds = measure.kind === 'count' || measure.kind === 'sum'
    return [{ kind: adds && !isWindowed(view) ? 'sum' : 'max', field: name, label: labelOf(measure) }]
  })
}
