/** The panels that fit each view, from its definition alone. */
import { chartable, type Dataset, isAdditive, labelOf, type Series, titled, type View } from '../definition.ts'
import type { Panel } from './panel.ts'

/** measures that make a candle */
const PRICES = ['open', 'high', 'low', 'close']

export interface Section {
  readonly name: string
  readonly title: string
  readonly panels: readonly Panel[]
}

/** What happens now first, then courses over time, then lists over all time. */
export function derivedSections(dataset: Dataset): readonly Section[] {
  const rankOf = (view: View): number => (view.window !== null ? 0 : view.paneMs !== null ? 1 : 2)
  const views = dataset.views.toSorted((a, b) => rankOf(a) - rankOf(b))
  const over = (view: View): Section[] =>
    dataset.series.filter((series) => series.over === view.name).map((series) => seriesSection(series, view))
  return views.flatMap((view) => [viewSection(view), ...over(view)]).filter(({ panels }) => panels.length > 0)
}

function viewSection(view: View): Section {
  const panels = view.window !== null ? windowPanels(view) : view.paneMs !== null ? timePanels(view) : listPanels(view)
  return { name: view.name, title: labelOf(view), panels }
}

function windowPanels(view: View): Panel[] {
  const own = view.rank?.dimensions ?? []
  const show = measuresOf(view)
  const first = own[0] ?? view.dimensions[0]?.name
  if (first === undefined || show.length === 0) return []
  const ranked: Panel = {
    ...{ id: `${view.name}-top`, title: `Top ${titled(first).toLowerCase()}`, shape: 'ranking', view: view.name },
    ...{ show, by: [first], top: view.rank?.limit ?? 10, span: 4 },
  }
  const course: Panel = {
    ...{ id: `${view.name}-course`, title: 'Over time', shape: 'lines', view: view.name },
    ...{ show, by: [first], span: 8 },
  }
  return view.grains.length > 0 ? [ranked, course] : [ranked]
}

function timePanels(view: View): Panel[] {
  const show = measuresOf(view)
  if (show.length === 0) return []
  const first = mainDimension(view)
  const place = placeOf(view) !== null
  const course: Panel = {
    ...{ id: `${view.name}-course`, title: 'Over time', shape: 'lines', view: view.name, show },
    ...{ by: first === undefined || place ? [] : [first.name], span: first === undefined ? 12 : 8 },
  }
  if (place) return [mapPanel(view, show, placeOf(view)!, 8), { ...course, span: 4 }]
  const heat = heatPanels(view)
  if (first === undefined) return [course, ...heat]
  const rankings = [first].map(
    ({ name }): Panel => ({
      ...{
        id: `${view.name}-by-${name}`,
        title: `By ${titled(name).toLowerCase()}`,
        shape: 'ranking',
        view: view.name,
      },
      ...{ show, by: [name], top: 10, span: 4 },
    }),
  )
  const country = view.dimensions.find(({ name, type }) => /country/.test(name) && type === 'VARCHAR')
  const map = country === undefined ? [] : [mapPanel(view, show, [country.name], 8)]
  return [course, ...rankings, ...map, ...heat.map((panel) => ({ ...panel, span: map.length > 0 ? 4 : 12 }))]
}

/** The one that the view is named after, or the first. */
function mainDimension({ name, label, dimensions }: View): View['dimensions'][number] | undefined {
  const words = new Set(`${name} ${label ?? ''}`.toLowerCase().split(/[^a-z0-9]+/))
  const single = dimensions.filter(({ type }) => !type.endsWith('[]'))
  return single.find((one) => words.has(one.name) || words.has(`${one.name}s`)) ?? single[0]
}

function listPanels(view: View): Panel[] {
  const { name, rank } = view
  if (view.measures.length === 0) return []
  const rows: Panel = { id: `${name}-rows`, title: 'Rows', shape: 'table', view: name, show: [], by: [], span: 12 }
  const [first] = view.dimensions
  const numbers = measuresOf(view)
  if (rank === null || first === undefined || !numbers.includes(rank.by)) return [rows]
  const show = [rank.by, ...numbers.filter((one) => one !== rank.by)]
  const ranked: Panel = {
    ...{ id: `${name}-top`, title: `Top ${titled(first.name).toLowerCase()}`, shape: 'ranking', view: name },
    ...{ show, by: [rank.dimensions[0] ?? first.name], top: 10, span: 4 },
  }
  return [ranked, { ...rows, span: 8 }]
}

function seriesSection(series: Series, view: View): Section {
  const show = chartable(series.columns).map(({ name }) => name)
  const by = series.by.length > 0 ? series.by.slice(0, 1) : view.dimensions.slice(0, 1).map(({ name }) => name)
  const course: Panel = {
    ...{
      id: `${series.name}-course`,
      title: 'Over time',
      shape: 'lines',
      view: series.name,
      show,
      by,
      top: 3,
      span: 12,
    },
  }
  const prices = PRICES.every((price) => view.measures.some(({ name }) => name === price))
  const bars: Panel = {
    ...{ id: `${series.name}-candles`, title: 'Prices', shape: 'candles', view: series.name, show, by, span: 12 },
  }
  if (prices && by.length > 0 && series.columns.some(({ name }) => /_band$|^sma/.test(name)))
    return { name: series.name, title: labelOf(series), panels: [bars] }
  return {
    name: series.name,
    title: labelOf(series),
    panels: show.length === 0 || view.grains.length === 0 ? [] : [course],
  }
}

function mapPanel(view: View, show: readonly string[], by: readonly string[], span: number): Panel {
  const shape = by.length > 1 ? 'points' : 'map'
  return { id: `${view.name}-map`, title: 'On the map', shape, view: view.name, show, by, span }
}

/** Hours of a week need counts or sums per hour or shorter, which add up. */
function heatPanels(view: View): Panel[] {
  const show = chartable(view.measures).filter(isAdditive)
  if (!view.grains.includes('hour') || show.length === 0) return []
  const own = { id: `${view.name}-week`, title: 'By hour of the week', shape: 'heat', view: view.name, by: [] } as const
  return [{ ...own, show: show.map(({ name }) => name), span: 12 }]
}

const PLACES = [
  ['lat', 'lon'],
  ['latitude', 'longitude'],
] as const

/** The dimensions with a position. They are for a map: bars of degrees say nothing. */
export function placeOf({ dimensions }: View): readonly string[] | null {
  const names = dimensions.map(({ name }) => name)
  return PLACES.find((place) => place.every((name) => names.includes(name))) ?? null
}

function measuresOf(view: View): string[] {
  return chartable(view.measures).map(({ name }) => name)
}
