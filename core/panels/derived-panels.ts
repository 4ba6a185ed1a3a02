/** The panels that fit each view, for definitions that name none. */
import type { PanelDefinition } from '../panel-definition.ts'
import { hasPrices, mainDimension, measuresOf } from './panel-kinds.ts'
import {
  chartable,
  countryOf,
  hasGrains,
  hasHours,
  isAdditive,
  isWindowed,
  type PanelSource,
  placeOf,
} from './panel-source.ts'

/** What happens now first, then courses over time, then lists over all time. */
export function derivedPanels(sources: ReadonlyMap<string, PanelSource>): PanelDefinition[] {
  const all = [...sources.values()]
  const views = all.filter(({ series }) => series === null).toSorted((a, b) => rankOf(a) - rankOf(b))
  return views.flatMap((view) => [
    ...viewPanels(view),
    ...all.filter(({ series }) => series?.over.name === view.name).flatMap(seriesPanels),
  ])
}

function rankOf({ view }: PanelSource): number {
  if (isWindowed(view)) return 0
  return view.time.kind === 'panes' ? 1 : 2
}

function viewPanels(source: PanelSource): PanelDefinition[] {
  if (chartable(source.measures).length === 0) return listPanels(source)
  if (isWindowed(source.view)) return windowPanels(source)
  return source.view.time.kind === 'panes' ? timePanels(source) : listPanels(source)
}

function windowPanels(source: PanelSource): PanelDefinition[] {
  const { name: view } = source
  const limit = Math.min(source.view.rank?.limit ?? 10, 20)
  const [first] = mainDimension(source)
  if (first === undefined) return [{ kind: 'number', view }]
  const ranked: PanelDefinition = { kind: 'ranking', view, limit }
  return hasGrains(source) ? [ranked, { kind: 'lines', view, dimensions: [first] }] : [ranked]
}

function timePanels(source: PanelSource): PanelDefinition[] {
  const { name: view } = source
  if (placeOf(source) !== null)
    return [
      { kind: 'points', view },
      { kind: 'lines', view, width: 4 },
    ]
  const heat: PanelDefinition[] =
    hasHours(source) && chartable(source.measures).some(isAdditive) ? [{ kind: 'heat', view }] : []
  const [first] = mainDimension(source)
  if (first === undefined) return [{ kind: 'lines', view, width: 12 }, ...histograms(source), ...heat]
  const map: PanelDefinition[] = countryOf(source) === undefined ? [] : [{ kind: 'map', view }]
  return [
    { kind: 'lines', view, dimensions: [first] },
    { kind: 'ranking', view },
    ...map,
    ...histograms(source),
    ...heat.map((panel) => (map.length > 0 ? { ...panel, width: 4 } : panel)),
  ]
}

function histograms({ name: view, measures }: PanelSource): PanelDefinition[] {
  return measures
    .filter(({ kind }) => kind === 'histogram')
    .map(({ name }) => ({ kind: 'histogram', view, measures: [name] }))
}

function listPanels(source: PanelSource): PanelDefinition[] {
  const { name: view, measures } = source
  const { rank, dimensions } = source.view
  if (measures.length === 0) return []
  if (dimensions.length === 0 && chartable(measures).length > 0) return [{ kind: 'number', view }]
  const ranked = rank !== undefined && dimensions.length > 0 && measuresOf('ranking', source).includes(rank.by)
  const points: PanelDefinition[] = placeOf(source) === null ? [] : [{ kind: 'points', view, width: 12 }]
  if (!ranked) return [{ kind: 'table', view }, ...histograms(source), ...points]
  return [{ kind: 'ranking', view }, { kind: 'table', view, width: 8 }, ...points]
}

function seriesPanels(source: PanelSource): PanelDefinition[] {
  const { name: view, series } = source
  const columns = series!.columns
  const [by] = mainDimension(source)
  const calculated = columns.some(({ name }) => /_band$|^sma/.test(name))
  if (hasPrices(source) && by !== undefined && calculated) return [{ kind: 'candles', view }]
  const measures = chartable(columns).map(({ name }) => name)
  if (measures.length === 0 || !hasGrains(source)) return []
  return [{ kind: 'lines', view, measures, limit: 3, width: 12, ...(by !== undefined && { dimensions: [by] }) }]
}
