/**
 * Checks that a panel's numbers mean what their labels say. A panel aggregates presented rows, and Kibana sums any field: in a sum of
 * distinct counts over groups, a member of two groups counts twice. The view's definition decides which aggregations are valid.
 */
import type { DatasetDefinition, MeasureDefinition, ViewDefinition } from '#core/definition-parts.ts'
import type { Metric, Panel } from './panel.ts'

/** Measures of separate sets of events whose sum is the measure of all of them. */
const ADDITIVE: readonly MeasureDefinition['kind'][] = ['count', 'sum']
const NUMBERS: readonly MeasureDefinition['kind'][] = [...ADDITIVE, 'countDistinct', 'max']

/** what is had of rows in their order of time: the measure that can be told of several of them */
const KEPT = { min: 'min', first: 'first', last: 'latest', bins: 'histogram' } as const

/**
 * What is wrong with a panel: one sentence per metric that the view does not allow.
 *
 * @example panelFaults(sumOfMembers, definition) // ["groups-members: 'members' is a countDistinct, which does not add up over rows"]
 */
export function panelFaults(panel: Panel, definition: Pick<DatasetDefinition, 'views'>): string[] {
  const view = definition.views[panel.view]
  if (view === undefined) return [`${panel.id}: unknown view '${panel.view}'`]
  const faults = panel.show.map((metric) => metricFault(metric, panel, view))
  return [...faults, scopeFault(panel, view)].filter((fault) => fault !== null).map((fault) => `${panel.id}: ${fault}`)
}

function metricFault({ kind, field }: Metric, panel: Panel, view: ViewDefinition): string | null {
  if (kind === 'count') return isSummary(view) ? null : 'its rows are panes or ranks, whose number means nothing'
  if (kind === 'distinct') return isDimension(view, field) ? null : `'${field}' is not a dimension of the view`
  const measure = view.measures[field ?? '']
  if (measure === undefined) return `'${field}' is not a measure of the view`
  if (kind === 'max') return maxFault(field!, measure, panel, view)
  if (kind in KEPT) return keptFault(kind as keyof typeof KEPT, field!, measure, panel, view)
  if (!ADDITIVE.includes(measure.kind)) return `'${field}' is a ${measure.kind}, which does not add up over rows`
  if (view.window !== undefined) return `windows overlap, so '${field}' does not add up over them`
  return view.unnest === undefined ? null : `an event is in several rows of the view, so '${field}' does not add up`
}

/** The largest of several rows says nothing of all of them, unless it is a maximum itself or each row is a whole of its own. */
function maxFault(field: string, measure: MeasureDefinition, panel: Panel, view: ViewDefinition): string | null {
  if (!NUMBERS.includes(measure.kind)) return `'${field}' is a ${measure.kind}, which has no largest value`
  if (measure.kind === 'max' || view.window !== undefined || hasOneRowPerGroup(panel, view)) return null
  return `the largest '${field}' of several rows is not that of the group`
}

/** Of one key at a time: two rows of a moment have no order, and one has no say over the other. */
function keptFault(
  kind: keyof typeof KEPT,
  field: string,
  measure: MeasureDefinition,
  panel: Panel,
  view: ViewDefinition,
): string | null {
  if (measure.kind !== KEPT[kind]) return `'${field}' is a ${measure.kind}, of which several rows have no ${kind}`
  if (view.window !== undefined) return `windows overlap, so '${field}' has no ${kind}`
  return kind === 'bins' || kind === 'min' || namesAll(panel, view) ? null : `rows of several keys have no ${kind}`
}

/** A window's rows are ranks over everything, and within each dimension that the ranking does not show. */
function scopeFault({ where }: Panel, view: ViewDefinition): string | null {
  return view.window === undefined || where?.field === 'scope' ? null : 'rows of all scopes are mixed'
}

function hasOneRowPerGroup(panel: Panel, view: ViewDefinition): boolean {
  return isSummary(view) && namesAll(panel, view)
}

function namesAll(panel: Panel, view: ViewDefinition): boolean {
  if (panel.shape === 'map') return false
  const grouped = new Set(panel.by.flatMap((bucket) => (bucket.kind === 'terms' ? [bucket.field] : [])))
  return Object.keys(view.dimensions).every((dimension) => grouped.has(dimension))
}

function isSummary(view: ViewDefinition): boolean {
  return view.time === undefined && view.window === undefined
}

function isDimension(view: ViewDefinition, field: string | undefined): boolean {
  return field !== undefined && Object.hasOwn(view.dimensions, field)
}
