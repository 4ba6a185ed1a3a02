/** What each kind of panel shows, what it needs, and what it takes where a definition leaves it out. */
import type { PanelDefinition, PanelKind } from '../panel-definition.ts'
import {
  chartable,
  countryOf,
  hasGrains,
  hasHours,
  isAdditive,
  isWindowed,
  labelOf,
  type PanelSource,
  placeOf,
  type Shown,
  titled,
} from './panel-source.ts'

export interface KindRule {
  /** of 12 columns */
  readonly width: number
  readonly limit: number | null
  /** how many dimensions it can have */
  readonly dimensions: readonly [min: number, max: number]
  /** measures that it can show */
  readonly shows: (source: PanelSource) => readonly Shown[]
  /** what a measure must be, as the end of a sentence */
  readonly shown: string
  /** why it cannot show the view at all; null: it can */
  readonly lacks: (source: PanelSource) => string | null
  /** where the definition names none */
  readonly by: (source: PanelSource) => readonly string[]
  readonly title: (source: PanelSource, dimensions: readonly string[], measures: readonly string[]) => string
}

const ANY = Number.POSITIVE_INFINITY
const numbers = { shows: ({ measures }: PanelSource) => chartable(measures), shown: 'a number' }
const sums = {
  shows: ({ measures }: PanelSource) => chartable(measures).filter(isAdditive),
  shown: 'a count or a sum, which adds up',
}
const always = (): null => null
const none = (): readonly string[] => []
const timed = (source: PanelSource): string | null =>
  hasGrains(source) ? null : `'${source.name}' has no grains of time`
const overTime = {
  ...{ width: 8, limit: 5, dimensions: [0, 1], ...numbers, lacks: timed, by: none },
  title: (_: PanelSource, [by]: readonly string[]) =>
    by === undefined ? 'Over time' : `By ${titled(by).toLowerCase()} over time`,
} satisfies KindRule

const PRICES = ['open', 'high', 'low', 'close']
const TABLE_MEASURES = 9

export const KIND_RULES: Readonly<Record<Exclude<PanelKind, 'events'>, KindRule>> = {
  number: {
    ...{ width: 12, limit: null, dimensions: [0, 0], ...numbers, lacks: always, by: none },
    title: () => 'In total',
  },
  lines: overTime,
  stacked: { ...overTime, ...sums },
  bars: overTime,
  ranking: {
    ...{ width: 4, limit: 10, dimensions: [1, 1], ...numbers, lacks: always },
    by: (source) => mainDimension(source).slice(0, 1),
    title: ({ view }, [by]) => `${isWindowed(view) ? 'Top' : 'By'} ${titled(by!).toLowerCase()}`,
  },
  table: {
    ...{ width: 12, limit: null, dimensions: [0, ANY], shown: 'a measure', lacks: always },
    shows: ({ measures }) => measures,
    by: ({ series, view }) => series?.by ?? view.dimensions.map(({ name }) => name),
    title: () => 'Rows',
  },
  map: {
    ...{ width: 8, limit: null, dimensions: [1, 1], ...numbers, lacks: always },
    by: (source) => [countryOf(source)].filter((name) => name !== undefined),
    title: () => 'On the map',
  },
  points: {
    ...{ width: 8, limit: null, dimensions: [1, ANY], ...numbers },
    lacks: (source) =>
      placeOf(source) === null ? `'${source.name}' has no numbers lat and lon, or latitude and longitude` : null,
    by: (source) => placed(source),
    title: () => 'On the map',
  },
  heat: {
    ...{ width: 12, limit: null, dimensions: [0, 0], ...sums, by: none },
    lacks: (source) => (hasHours(source) ? null : `'${source.name}' has no grain 'hour'`),
    title: () => 'By hour of the week',
  },
  histogram: {
    ...{ width: 6, limit: null, dimensions: [0, 0], shown: 'a histogram', lacks: always, by: none },
    shows: ({ measures }) => measures.filter(({ kind }) => kind === 'histogram'),
    title: ({ measures }, _, [first]) => labelOf(measures.find(({ name }) => name === first)!),
  },
  funnel: {
    ...{ width: 4, limit: null, dimensions: [0, 0], lacks: always, by: none },
    shows: ({ measures }) => chartable(measures).filter((one) => isAdditive(one) || one.kind === 'countDistinct'),
    shown: 'a count, a distinct count or a sum',
    title: () => 'Funnel',
  },
  candles: {
    ...{ width: 12, limit: null, dimensions: [1, 1], ...numbers },
    lacks: (source) => timed(source) ?? withoutPrices(source),
    by: (source) => mainDimension(source).slice(0, 1),
    title: () => 'Prices',
  },
}

export const EVENTS_RULE = { width: 12, limit: 50, title: 'Events' } as const

/** measures that are shown where the definition names none */
export function measuresOf(kind: Exclude<PanelKind, 'events'>, source: PanelSource): string[] {
  const able = KIND_RULES[kind].shows(source).map(({ name }) => name)
  if (kind === 'table') return able.slice(0, TABLE_MEASURES)
  const by = source.view.rank?.by
  return by !== undefined && able.includes(by) ? [by, ...able.filter((name) => name !== by)] : able
}

/** Those of a ranking or series; or the dimension that the view is named after, or the first. Never a list. */
export function mainDimension({ view, series }: PanelSource): readonly string[] {
  const own = series?.by ?? view.rank?.dimensions ?? []
  if (own.length > 0 && own.length < view.dimensions.length) return own
  const single = view.dimensions.filter(({ type }) => !type.endsWith('[]'))
  const words = new Set(`${view.name} ${view.label ?? ''}`.toLowerCase().split(/[^a-z0-9]+/))
  const main = single.find(({ name }) => words.has(name) || words.has(`${name}s`)) ?? single[0]
  return main === undefined ? [] : [main.name]
}

/** The position itself where it is what is grouped by; else everything that has one. */
function placed(source: PanelSource): readonly string[] {
  const place = placeOf(source)
  const dimensions = source.view.dimensions.map(({ name }) => name)
  return place?.every((name) => dimensions.includes(name)) ? place : dimensions
}

function withoutPrices({ name, view }: PanelSource): string | null {
  const missing = PRICES.filter((price) => !view.measures.some((measure) => measure.name === price))
  return missing.length === 0 ? null : `'${name}' has no measure ${missing.map((price) => `'${price}'`).join(', ')}`
}

/** Whether its rows are prices with something that is calculated of them. */
export function hasPrices(source: PanelSource): boolean {
  return withoutPrices(source) === null
}

export type ChartDefinition = PanelDefinition & { readonly kind: Exclude<PanelKind, 'events'>; readonly view: string }
