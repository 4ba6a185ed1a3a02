/** What a panel can show: a view, a grouping of its rows, or a series with the view that it is calculated from. */
import type { CompiledGrouping, CompiledSeries, CompiledView, SqlColumn } from '../compiled.ts'
import { isNumeric } from '../measures/number-types.ts'

/** A measure of a view, or a column of a series. */
export interface Shown extends SqlColumn {
  readonly kind: string
  readonly label?: string
}

export interface PanelSource {
  readonly name: string
  readonly label?: string
  readonly view: CompiledView
  readonly series: CompiledSeries | null
  readonly measures: readonly Shown[]
}

export function panelSources(
  views: ReadonlyMap<string, CompiledView>,
  series: ReadonlyMap<string, CompiledSeries>,
  groupings: ReadonlyMap<string, CompiledGrouping>,
): ReadonlyMap<string, PanelSource> {
  const grouped = [...groupings.values()].map(({ view }) => view)
  const ofViews = [...views.values(), ...grouped].map((view): PanelSource => {
    return { name: view.name, label: view.label, view, series: null, measures: view.measures }
  })
  const ofSeries = [...series.values()].map((one): PanelSource => {
    const { name, label, over, columns } = one
    return { name, label, view: over, series: one, measures: [...columns, ...over.measures] }
  })
  return new Map([...ofViews, ...ofSeries].map((source) => [source.name, source]))
}

/** Measures that a chart can show. */
export function chartable<M extends SqlColumn>(measures: readonly M[]): M[] {
  return measures.filter(({ type }) => isNumeric(type))
}

/** Whether parts of it add up: hours to a day, groups to a total. */
export function isAdditive({ kind }: { readonly kind: string }): boolean {
  return kind === 'count' || kind === 'sum'
}

/** Whether answers can be grouped by time. */
export function hasGrains({ view: { time } }: PanelSource): boolean {
  return time.kind === 'panes' && time.grains.length > 0
}

export function hasHours({ view: { time } }: PanelSource): boolean {
  return time.kind === 'panes' && time.grains.includes('hour')
}

export function isWindowed({ time }: CompiledView): boolean {
  return time.kind === 'panes' && time.window !== undefined
}

const PLACES = [
  ['lat', 'lon'],
  ['latitude', 'longitude'],
] as const

/** The pair of numbers with a position, among dimensions, or else among measures; null: it has none. */
export function placeOf({ view }: PanelSource): readonly [string, string] | null {
  const found = (columns: readonly SqlColumn[]) => {
    const names = new Set(chartable(columns).map(({ name }) => name))
    return PLACES.find((place) => place.every((name) => names.has(name)))
  }
  return found(view.dimensions) ?? found(view.measures) ?? null
}

/** The dimension with the country; undefined: there is none. */
export function countryOf({ view }: PanelSource): string | undefined {
  return view.dimensions.find(({ name, type }) => /country/.test(name) && type === 'VARCHAR')?.name
}

/** `median_departure_delay` → `Median departure delay`. */
export function titled(name: string): string {
  const words = name.replaceAll('_', ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export function labelOf({ name, label }: { readonly name: string; readonly label?: string }): string {
  return label ?? titled(name)
}
