/** A dataset as `GET /v1/datasets` describes it: what the page is made from. */
import type { Dashboard } from '#core/panels/panel.ts'

export interface Column {
  readonly name: string
  readonly label?: string
  readonly description?: string
  readonly unit?: string
  /** names of values, by value */
  readonly values?: Readonly<Record<string, string>>
  readonly type: string
}

export interface Measure {
  readonly name: string
  /** count, sum, countDistinct …; of a series: of its calculation */
  readonly kind: string
  readonly type: string
  readonly label?: string
  readonly description?: string
  readonly unit?: string
  readonly format?: 'percent'
  /** of a histogram: where its bins end */
  readonly bounds?: readonly number[]
  readonly exactness?: { readonly kind: 'exact' | 'float' | 'sketch' | 'bounded' }
}

export interface View {
  readonly name: string
  readonly label?: string
  readonly description?: string
  /** null: all time */
  readonly paneMs: number | null
  readonly grains: readonly string[]
  readonly window: { readonly sizeMs: number; readonly everyMs: number } | null
  readonly rank: { readonly by: string; readonly limit: number; readonly dimensions: readonly string[] } | null
  readonly dimensions: readonly Pick<Column, 'name' | 'type' | 'values'>[]
  readonly measures: readonly Measure[]
  readonly enrich: readonly { readonly name: string; readonly key: string; readonly attribute: string }[]
}

export interface Series {
  readonly name: string
  readonly label?: string
  /** the view that it is calculated from */
  readonly over: string
  readonly by: readonly string[]
  readonly grain: string
  readonly grains: readonly string[]
  readonly columns: readonly Measure[]
}

export interface Dataset {
  readonly name: string
  readonly label?: string
  readonly description?: string
  readonly time: string
  readonly key: string
  readonly columns: readonly Column[]
  readonly views: readonly View[]
  readonly series: readonly Series[]
  /** groups of the merged rows of a view, which are shown like a view */
  readonly groupings: readonly View[]
  readonly dashboard: Dashboard
}

const NUMERIC = /^(DOUBLE|FLOAT|REAL|DECIMAL|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?\b|NUMERIC)/

export function isNumeric(type: string): boolean {
  return NUMERIC.test(type) && !type.endsWith('[]')
}

export function isMoment(type: string): boolean {
  return /^(TIMESTAMP|DATE)/.test(type)
}

/** Measures that a chart can show. */
export function chartable(measures: readonly Measure[]): Measure[] {
  return measures.filter(({ type }) => isNumeric(type))
}

/** Fractions that people read as percent. */
export function isPercent({ kind, format }: Pick<Measure, 'kind' | 'format'>): boolean {
  return format === 'percent' || kind === 'returns' || kind === 'share'
}

const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'))

/** The unit is an ISO 4217 code, for example EUR: amounts are written with the sign of the currency. */
export function isCurrency(unit: string | undefined): unit is string {
  return unit !== undefined && CURRENCIES.has(unit)
}

/** `user_id`, whose digits are not a quantity. */
export function isId(name: string): boolean {
  return /(^|_)id$/.test(name)
}

/** Parts of it add up: where no event is, it is 0, and the hours of a week can be summed. */
export function isAdditive({ kind }: Measure): boolean {
  return kind === 'count' || kind === 'sum'
}

/** `median_departure_delay` → `Median departure delay`. */
export function titled(name: string): string {
  const words = name.replaceAll('_', ' ').trim()
  return words.charAt(0).toUpperCase() + words.slice(1)
}

/** `Mean delay (min)`; amounts of money say their currency themselves */
export function labelOf({ name, label, unit }: Pick<Measure, 'name' | 'label' | 'unit'>): string {
  return `${label ?? titled(name)}${unit === undefined || isCurrency(unit) ? '' : ` (${unit})`}`
}
