/** Checks the panels of a definition, and completes them; derives them from the views where it names none. */
import type { CompiledGrouping, CompiledSeries, CompiledView } from '../compiled.ts'
import { nearest } from '../definition-error.ts'
import { DEFINITION_LIMITS } from '../definition-limits.ts'
import { PANEL_KINDS, type PanelDefinition } from '../panel-definition.ts'
import { derivedPanels } from './derived-panels.ts'
import type { Dashboard, Panel } from './panel.ts'
import { type ChartDefinition, EVENTS_RULE, KIND_RULES, measuresOf } from './panel-kinds.ts'
import { labelOf, type PanelSource, panelSources } from './panel-source.ts'

export const PAGE_COLUMNS = 12
const ROWS_MAX = 10_000

export interface DashboardInput {
  readonly named: readonly PanelDefinition[] | undefined
  readonly columns: readonly string[]
  readonly views: ReadonlyMap<string, CompiledView>
  readonly series: ReadonlyMap<string, CompiledSeries>
  readonly groupings: ReadonlyMap<string, CompiledGrouping>
  /** problems found are added here */
  readonly problems: string[]
}

export function compileDashboard({ named, columns, views, series, groupings, problems }: DashboardInput): Dashboard {
  const sources = panelSources(views, series, groupings)
  const panels = named === undefined ? derivedPanels(sources) : withSections(named)
  if (panels.length > DEFINITION_LIMITS.panelsMax)
    problems.push(`dashboard: a dataset can have at most ${DEFINITION_LIMITS.panelsMax} panels`)
  const completed = panels.flatMap((panel, index): Panel[] => {
    const found = panelProblems(panel, sources, columns)
    const place = `dashboard, panel ${index + 1}${panel.title === undefined ? '' : ` '${panel.title}'`}`
    problems.push(...found.map((problem) => `${place}: ${problem}`))
    return found.length === 0 ? [complete(panel, sources)] : []
  })
  return { derived: named === undefined, panels: distinct(completed) }
}

/** A panel that names no section is under the heading of the one before. */
function withSections(named: readonly PanelDefinition[]): PanelDefinition[] {
  let section: string | undefined
  return named.map((panel) => {
    section = panel.section ?? section
    return { ...panel, section }
  })
}

/** What is wrong with a panel whose shape is right. */
function panelProblems(
  panel: PanelDefinition,
  sources: ReadonlyMap<string, PanelSource>,
  columns: readonly string[],
): string[] {
  const problems = numberProblems(panel)
  if (!PANEL_KINDS.includes(panel.kind))
    return [
      ...problems,
      `unknown kind '${panel.kind}'${nearest(panel.kind, PANEL_KINDS)}; use one of ${PANEL_KINDS.join(', ')}`,
    ]
  if (panel.kind === 'events') return [...problems, ...eventsProblems(panel, columns)]
  if (panel.view === undefined) return [...problems, `${panel.kind} needs a view`]
  const source = sources.get(panel.view)
  if (source === undefined)
    return [...problems, `view: '${panel.view}' is unknown${nearest(panel.view, sources.keys())}`]
  return [...problems, ...chartProblems(panel as ChartDefinition, source)]
}

function numberProblems({ limit, width }: PanelDefinition): string[] {
  const within = (name: string, value: number | undefined, most: number): string[] =>
    value === undefined || (Number.isInteger(value) && value >= 1 && value <= most)
      ? []
      : [`${name} must be a whole number from 1 to ${most}, but is ${value}`]
  return [...within('limit', limit, ROWS_MAX), ...within('width', width, PAGE_COLUMNS)]
}

function eventsProblems(panel: PanelDefinition, columns: readonly string[]): string[] {
  const { view, measures, dimensions = [], order, filter = {} } = panel
  const problems: string[] = []
  if (view !== undefined || measures !== undefined || order !== undefined)
    problems.push('events shows raw events: it has neither a view nor measures nor an order')
  for (const name of [...dimensions, ...Object.keys(filter)])
    if (!columns.includes(name)) problems.push(`'${name}' is not a column${nearest(name, columns)}`)
  return problems
}

function chartProblems(panel: ChartDefinition, source: PanelSource): string[] {
  const rule = KIND_RULES[panel.kind]
  const lacking = rule.lacks(source)
  if (lacking !== null) return [`${panel.kind}: ${lacking}`]
  return [...measureProblems(panel, source), ...dimensionProblems(panel, source), ...orderProblems(panel, source)]
}

function measureProblems({ kind, measures }: ChartDefinition, source: PanelSource): string[] {
  const { shows, shown } = KIND_RULES[kind]
  const able = shows(source).map(({ name }) => name)
  const known = source.measures.map(({ name }) => name)
  if (able.length === 0) return [`${kind}: '${source.name}' has no measure that is ${shown}`]
  if (measures?.length === 0) return [`measures: ${kind} shows at least one`]
  return (measures ?? []).flatMap((name) => {
    if (!known.includes(name)) return [`'${name}' is not a measure of '${source.name}'${nearest(name, known)}`]
    return able.includes(name) ? [] : [`measure '${name}' is not ${shown}, as ${kind} needs`]
  })
}

function dimensionProblems({ kind, dimensions, filter = {} }: ChartDefinition, source: PanelSource): string[] {
  const [least, most] = KIND_RULES[kind].dimensions
  const known = source.view.dimensions.map(({ name }) => name)
  const by = dimensions ?? KIND_RULES[kind].by(source)
  const unknown = [...(dimensions ?? []), ...Object.keys(filter)].filter((name) => !known.includes(name))
  const problems = unknown.map((name) => `'${name}' is not a dimension of '${source.name}'${nearest(name, known)}`)
  if (by.length < least) problems.push(`${kind} needs ${least} dimension${least > 1 ? 's' : ''}`)
  if (by.length > most) problems.push(`${kind} can have at most ${most} dimension${most === 1 ? '' : 's'}`)
  const empty = Object.keys(filter).filter((name) => filter[name]?.length === 0)
  return [...problems, ...empty.map((name) => `filter '${name}' names no value`)]
}

function orderProblems({ order }: ChartDefinition, source: PanelSource): string[] {
  if (order === undefined) return []
  const named = [...source.measures, ...source.view.dimensions].map(({ name }) => name)
  const known = source.series === null ? named : ['time', ...named]
  const name = order.replace(/^-/, '')
  return known.includes(name) ? [] : [`order: '${name}' is neither a measure nor a dimension${nearest(name, known)}`]
}

function complete(panel: PanelDefinition, sources: ReadonlyMap<string, PanelSource>): Panel {
  const { title, section, order = null, filter = {} } = panel
  if (panel.kind === 'events') {
    const { dimensions = [], limit = EVENTS_RULE.limit, width = EVENTS_RULE.width } = panel
    const named = { title: title ?? EVENTS_RULE.title, section: section ?? EVENTS_RULE.title }
    return {
      id: '',
      kind: 'events',
      view: null,
      measures: [],
      dimensions,
      order,
      limit,
      width,
      filter: valued(filter),
      ...named,
    }
  }
  const chart = panel as ChartDefinition
  const source = sources.get(chart.view)!
  const rule = KIND_RULES[chart.kind]
  const measures = chart.measures ?? measuresOf(chart.kind, source)
  const dimensions = chart.dimensions ?? rule.by(source)
  const { limit = rule.limit, width = rule.width } = chart
  const named = { title: title ?? rule.title(source, dimensions, measures), section: section ?? labelOf(source) }
  return {
    id: '',
    kind: chart.kind,
    view: source.name,
    measures,
    dimensions,
    order,
    limit,
    width,
    filter: valued(filter),
    ...named,
  }
}

function valued(filter: NonNullable<PanelDefinition['filter']>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    Object.entries(filter).flatMap(([name, values]) => (values === undefined ? [] : [[name, values]])),
  )
}

/** Ids by view and title; of equal ones the later have a number. Panels of a section stand together. */
function distinct(panels: readonly Panel[]): Panel[] {
  const seen = new Map<string, number>()
  const named = panels.map((panel) => {
    const id = `${panel.view ?? 'raw'}-${slug(panel.title)}`
    const count = (seen.get(id) ?? 0) + 1
    seen.set(id, count)
    return { ...panel, id: count === 1 ? id : `${id}-${count}` }
  })
  return [...Map.groupBy(named, ({ section }) => section).values()].flat()
}

/** `Top 10 countries` → `top-10-countries`; letters of every script stay. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
}
