/** Random questions to the orders, in a form that both the HTTP route and the recount by hand take. */
import type { Grain } from '#core/definition.ts'
import type { Random } from '#datasets/random.ts'
import { KINDS, SHOPS, TAGS } from './seeded-orders.ts'

export type ViewName = 'by_kind' | 'members' | 'per_second' | 'trending'
export type Operator = 'eq' | 'ne' | 'in' | 'null' | 'notnull' | 'contains' | 'gte' | 'lt'

export interface AskedFilter {
  readonly dimension: string
  readonly operator: Operator
  readonly values: readonly string[]
}

export interface AskedQuery {
  readonly view: ViewName
  readonly dimensions?: readonly string[]
  readonly filters: readonly AskedFilter[]
  readonly fromMs?: number
  readonly toMs?: number
  readonly grain?: Grain
  readonly timezone?: 'Asia/Kolkata'
  readonly order?: readonly { readonly by: string; readonly descending: boolean }[]
  readonly limit?: number
  readonly per?: readonly string[]
  readonly at?: 'now' | 'latest' | number
}

const MANY = 10_000
const GRAINS = ['10s', 'minute', '5m', '15m', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const
const HOUR_MS = 3_600_000

export function randomQuery(random: Random, nowMs: number): AskedQuery {
  return random.pick([plain, plain, members, perSecond, windowed, windowed, ranges])(random, nowMs)
}

function plain(random: Random, nowMs: number): AskedQuery {
  const range = random.chance(0.3) ? rangeOf(random, nowMs, 10_000) : {}
  const dimensions = random.pick([[], ['kind'], ['shop', 'kind'], ['kind', 'shop']])
  const limit = random.pick([MANY, MANY, 7])
  if (random.chance(0.25)) return { view: 'by_kind', dimensions, filters: kindFilters(random), ...range, limit }
  const timezone = random.chance(0.3) ? ({ timezone: 'Asia/Kolkata' } as const) : {}
  const grain = random.pick(GRAINS)
  return { view: 'by_kind', dimensions, filters: kindFilters(random), ...range, limit, grain, ...timezone }
}

function members(random: Random): AskedQuery {
  const operator = random.pick(['gte', 'lt'] as const)
  return {
    view: 'members',
    filters: random.chance(0.5) ? [{ dimension: 'member', operator, values: [String(random.below(400))] }] : [],
    order: [{ by: random.pick(['orders', 'total']), descending: random.chance(0.5) }],
    limit: random.pick([3, 50, MANY]),
  }
}

function perSecond(random: Random, nowMs: number): AskedQuery {
  const range = random.chance(0.5) ? rangeOf(random, nowMs, 1_000) : {}
  return { view: 'per_second', filters: [], limit: MANY, ...range, grain: random.pick(['second', 'hour']) }
}

function windowed(random: Random, nowMs: number): AskedQuery {
  const at = random.pick(['now', 'latest', nowMs - random.below(200_000)] as const)
  const per = random.chance(0.4) ? { per: ['shop'], dimensions: random.pick([['shop', 'tag'], ['shop']]) } : {}
  return { view: 'trending', filters: tagFilters(random), at, ...per, ...(random.chance(0.3) ? { limit: 2 } : {}) }
}

/** A windowed view that is asked for a range or a grain instead of a window. */
function ranges(random: Random, nowMs: number): AskedQuery {
  const { dimensions, grain } = { dimensions: random.pick([['tag'], ['tag', 'shop']]), grain: '10s' as const }
  const range = rangeOf(random, nowMs, 10_000)
  if (random.chance(0.5)) return { view: 'trending', filters: tagFilters(random), dimensions, ...range, limit: MANY }
  const per = random.chance(0.5) ? { per: ['time'], limit: 2 } : { limit: MANY }
  return { view: 'trending', filters: [], dimensions, grain, ...range, ...per }
}

function rangeOf(random: Random, nowMs: number, paneMs: number): { fromMs: number; toMs: number } {
  const onPane = (ms: number): number => Math.floor(ms / paneMs) * paneMs
  const fromMs = onPane(nowMs - random.below(random.pick([100_000, 3 * HOUR_MS])))
  return { fromMs, toMs: fromMs + paneMs * (1 + random.below(30)) }
}

function kindFilters(random: Random): AskedFilter[] {
  const filters: AskedFilter[] = []
  const kind = random.pick(KINDS)
  if (random.chance(0.3) && kind !== null) {
    const operator = random.pick(['eq', 'ne', 'in', 'contains'] as const)
    filters.push({ dimension: 'kind', operator, values: operator === 'in' ? [kind, 'sale'] : [kind] })
  }
  if (random.chance(0.3))
    filters.push({ dimension: 'shop', operator: random.pick(['null', 'notnull'] as const), values: [] })
  return filters
}

function tagFilters(random: Random): AskedFilter[] {
  if (random.chance(0.5)) return []
  const shop = random.pick(SHOPS)
  if (shop !== null && random.chance(0.5)) return [{ dimension: 'shop', operator: 'eq', values: [shop] }]
  return [{ dimension: 'tag', operator: 'in', values: [random.pick(TAGS), random.pick(TAGS)] }]
}

/** The request for it. */
export function urlOf(query: AskedQuery): string {
  const { dimensions, filters, fromMs, toMs, grain, timezone, order, limit, per, at } = query
  const texts: [string, string | number | undefined][] = [
    ['dimensions', dimensions?.join(',')],
    ['from', fromMs],
    ['to', toMs],
    ['grain', grain],
    ['timezone', timezone],
    ['order', order?.map(({ by, descending }) => `${descending ? '-' : ''}${by}`).join(',')],
    ['limit', limit],
    ['per', per?.join(',')],
    ['at', at],
    ...filters.map(({ dimension, operator, values }): [string, string] => [
      'filter',
      [dimension, operator, ...(operator === 'in' ? [JSON.stringify(values)] : values)].join(':'),
    ]),
  ]
  const parameters = new URLSearchParams()
  for (const [name, value] of texts) if (value !== undefined) parameters.append(name, String(value))
  return `/v1/datasets/orders/views/${query.view}?${parameters}`
}
