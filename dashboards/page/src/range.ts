/** The event time that is looked at, and the buckets that fit it. */
import { computed } from '@preact/signals'
import { choose, chosen } from './address.ts'
import type { Series, View } from './definition.ts'
import { HERE } from './format.ts'

export const RANGES = {
  '': 'Newest',
  '1h': 'Last hour',
  '24h': 'Last 24 hours',
  '7d': 'Last 7 days',
  '30d': 'Last 30 days',
  all: 'All',
} as const
export type RangeName = keyof typeof RANGES | 'own'

const HOUR = 3_600_000
const LENGTH: Readonly<Record<string, number>> = { '1h': HOUR, '24h': 24 * HOUR, '7d': 168 * HOUR, '30d': 720 * HOUR }
const GRAIN_MS: Readonly<Record<string, number>> = {
  second: 1_000,
  minute: 60_000,
  hour: HOUR,
  day: 24 * HOUR,
  week: 168 * HOUR,
  month: 730 * HOUR,
  quarter: 2_190 * HOUR,
  year: 8_760 * HOUR,
}
const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: HOUR, d: 24 * HOUR }

/** The length of a bucket, about: `minute`, `10s`. null: not known */
export function grainMs(grain: string): number | null {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(grain) ?? []
  return count === undefined ? (GRAIN_MS[grain] ?? null) : Number(count) * UNIT_MS[unit!]!
}

/** more are not distinguished on a screen */
const BUCKETS_MAX = 400
/** shown where no range is chosen: the newest ones, wherever in time they are */
export const BUCKETS_NEWEST = 120

/** ms since 1970; null: open */
export interface Range {
  readonly name: RangeName
  readonly fromMs: number | null
  readonly toMs: number | null
}

export const range = computed((): Range => {
  const [from, to] = [chosen('from'), chosen('to')].map((text) => (text === null ? null : Date.parse(text)))
  if (from != null || to != null) return { name: 'own', fromMs: from ?? null, toMs: to ?? null }
  const name = (chosen('range') ?? '') as keyof typeof RANGES
  const length = LENGTH[name]
  return { name: name in RANGES ? name : '', fromMs: length === undefined ? null : Date.now() - length, toMs: null }
})

export function chooseRange(name: string): void {
  choose({ range: name === '' ? null : name, from: null, to: null })
}

/** Of a part of a chart that the user marked. */
export function zoomTo(fromMs: number, toMs: number): void {
  choose({ range: null, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() })
}

/** The range as parameters of a query: whole panes, as the API requires. */
export function rangeQuery({ fromMs, toMs }: Range, paneMs: number | null): { from?: string; to?: string } {
  if (paneMs === null) return {}
  const pane = (ms: number, round: (value: number) => number): string =>
    new Date(round(ms / paneMs) * paneMs).toISOString()
  return {
    ...(fromMs !== null && { from: pane(fromMs, Math.floor) }),
    ...(toMs !== null && { to: pane(toMs, Math.ceil) }),
  }
}

/** Without a chosen range what is newest, and not in the future: an event with a wrong time would hide all others. */
export function newestQuery(paneMs: number | null): { from?: string; to?: string } {
  const { name } = range.value
  return rangeQuery(name === '' ? { name, fromMs: null, toMs: Date.now() } : range.value, paneMs)
}

/** The chosen grain if there is one, or the finest one that a chart can show. */
export function grainOf({ grains }: Pick<View | Series, 'grains'>, fallback: string = grains[0]!): string {
  const wanted = chosen('grain')
  if (wanted !== null && grains.includes(wanted)) return wanted
  const { fromMs, toMs } = range.value
  if (fromMs === null) return fallback
  const length = (toMs ?? Date.now()) - fromMs
  return grains.find((grain) => length / (grainMs(grain) ?? 1) <= BUCKETS_MAX) ?? grains.at(-1)!
}

/** Local buckets, where every pane is in one of them; else UTC. */
export function zoneOf(paneMs: number | null): string {
  const offsetMs = Math.abs(new Date().getTimezoneOffset()) * 60_000
  return paneMs !== null && offsetMs % paneMs === 0 && paneMs <= HOUR ? HERE : 'UTC'
}
