/** The earlier period that the chosen one is compared with: chosen by the user, kept in the address. */
import { choose, chosen } from './address.ts'
import { grainMs, type Range, range, rangeQuery } from './range.ts'

export const COMPARISONS = {
  '': 'No comparison',
  previous: 'With the period before',
  '1d': 'With a day earlier',
  '7d': 'With 7 days earlier',
  '28d': 'With 28 days earlier',
} as const
export type Comparison = keyof typeof COMPARISONS

const DAY = 86_400_000
/** a period has two ends */
const RANGE_COMPARED = '24h'
const OPEN_RANGES: readonly string[] = ['', 'all']

export function comparison(): Comparison {
  const name = chosen('compare') ?? ''
  return name in COMPARISONS ? (name as Comparison) : ''
}

export function chooseComparison(name: string): void {
  const isOpen = name !== '' && OPEN_RANGES.includes(range.value.name)
  choose({ compare: name === '' ? null : name, ...(isOpen && { range: RANGE_COMPARED }) })
}

export interface CompareQuery {
  readonly from?: string
  readonly to?: string
  readonly compare?: string
}

/**
 * The period with both of its ends, and what it is compared with; empty where nothing is compared, or buckets would not fit.
 * @param grain of the buckets; null: there are none
 */
export function compareQuery(paneMs: number | null, grain: string | null): CompareQuery {
  const name = comparison()
  const { fromMs, toMs } = range.value
  if (name === '' || paneMs === null || fromMs === null) return {}
  const bucketMs = grain === null ? paneMs : bucketOf(grain)
  const shiftMs = name === 'previous' ? bucketMs : Number.parseInt(name, 10) * DAY
  if (bucketMs === null || shiftMs === null || shiftMs % bucketMs !== 0) return {}
  const end = Math.ceil((toMs ?? Date.now()) / paneMs) * paneMs
  // A period of whole buckets, so that the one before it has them, too.
  const whole: Range = { name: 'own', fromMs: end - Math.ceil((end - fromMs) / bucketMs) * bucketMs, toMs: end }
  return { ...rangeQuery(whole, paneMs), compare: name }
}

/** Months and years are not equally long. */
function bucketOf(grain: string): number | null {
  return /^(month|quarter|year)$/.test(grain) ? null : grainMs(grain)
}
