/** The naive twin of every view: plain TypeScript over the events themselves, nothing shared with what it is held against. */
import type { Grain } from '#core/definition.ts'
import type { AskedFilter, AskedQuery, ViewName } from './asked-query.ts'
import type { Recorded } from './ledger.ts'
import { WINDOW_EVERY_MS, WINDOW_MS } from './orders.ts'
import type { Order } from './seeded-orders.ts'

/** One order, or one of its tags. */
interface Fact extends Order {
  readonly partition: number
  readonly offset: number
  readonly tag: string | null
}

/** What a value must be: exactly that, or that number within a share of itself. */
export type Naive = null | string | bigint | { readonly near: number; readonly within: number }
export type NaiveRow = ReadonlyMap<string, Naive>

type Dimension = (fact: Fact) => string | number | null
type Measure = (facts: readonly Fact[]) => Naive

const DIMENSIONS: Readonly<Record<ViewName, Readonly<Record<string, Dimension>>>> = {
  by_kind: { kind: ({ kind }) => kind, shop: ({ shop }) => shop },
  members: { member: ({ member }) => member },
  per_second: {},
  trending: { tag: ({ tag }) => tag, shop: ({ shop }) => shop },
}

const MEASURES: Readonly<Record<ViewName, Readonly<Record<string, Measure>>>> = {
  by_kind: {
    orders: (facts) => BigInt(facts.length),
    dear: (facts) => BigInt(facts.filter(({ amount }) => amount > 500).length),
    total: (facts) => total(facts.map(({ amount }) => BigInt(amount))),
    large: (facts) => total(given(facts, ({ large }) => large)),
    weight: (facts) => float(sum(given(facts, ({ weight }) => weight))),
    mean: (facts) => {
      const weights = given(facts, ({ weight }) => weight)
      return weights.length === 0 ? null : float(sum(weights)! / weights.length)
    },
    share: (facts) => {
      const all = facts.reduce((before, { amount }) => before + amount, 0)
      const dear = facts.reduce((before, { amount }) => before + (amount > 500 ? amount : 0), 0)
      return all === 0 ? null : float(dear / all)
    },
    smallest: (facts) => BigInt(Math.min(...facts.map(({ amount }) => amount))),
    heaviest: (facts) => {
      const weights = given(facts, ({ weight }) => weight)
      return weights.length === 0 ? null : float(Math.max(...weights))
    },
    oldest: (facts) => BigInt([...facts].sort(byTime)[0]!.amount),
    newest: (facts) => float([...facts].sort(byTime).findLast(({ weight }) => weight !== null)?.weight ?? null),
    members: (facts) => distinct(facts, ({ member }) => member),
    median: (facts) => {
      const sorted = facts.map(({ amount }) => amount).sort((a, b) => a - b)
      return { near: sorted[Math.ceil(0.5 * sorted.length) - 1]!, within: 0.01 }
    },
  },
  members: {
    orders: (facts) => BigInt(facts.length),
    total: (facts) => total(facts.map(({ amount }) => BigInt(amount))),
    kinds: (facts) => distinct(facts, ({ kind }) => kind),
    last: (facts) => new Date(Math.max(...facts.map(({ at }) => at))).toISOString(),
  },
  per_second: { orders: (facts) => BigInt(facts.length) },
  trending: {
    mentions: (facts) => BigInt(facts.length),
    members: (facts) => distinct(facts, ({ member }) => member),
  },
}

const given = <T>(facts: readonly Fact[], of: (fact: Fact) => T | null): T[] =>
  facts.map(of).filter((value) => value !== null)
const sum = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((before, value) => before + value, 0)
const total = (values: readonly bigint[]): bigint | null =>
  values.length === 0 ? null : values.reduce((before, value) => before + value, 0n)
const float = (value: number | null): Naive => (value === null ? null : { near: value, within: 1e-9 })
const distinct = (facts: readonly Fact[], of: (fact: Fact) => unknown): bigint => BigInt(new Set(given(facts, of)).size)
const byTime = (a: Fact, b: Fact): number => a.at - b.at || a.partition - b.partition || a.offset - b.offset

export interface Recount {
  readonly rows: readonly NaiveRow[]
  readonly truncated: boolean
}

/** @param window the range of event time that a windowed question stands for */
export function recount(query: AskedQuery, recorded: readonly Recorded[], window: Window | null): Recount {
  const { fromMs = -Infinity, toMs = Infinity } = window ?? query
  const ranked = query.view === 'trending'
  const dimensions = query.dimensions ?? (ranked ? ['tag'] : Object.keys(DIMENSIONS[query.view]))
  const facts = factsOf(recorded, ranked)
    .filter(({ at }) => at >= fromMs && at < toMs)
    .filter((fact) => query.filters.every((filter) => passes(DIMENSIONS[query.view][filter.dimension]!(fact), filter)))
  const groups = Map.groupBy(facts, (fact) => JSON.stringify(keysOf(query, dimensions, fact)))
  const names = [...(query.grain === undefined ? [] : ['time']), ...dimensions]
  const rows = [...groups].map(([keys, own]): NaiveRow => {
    const values = (JSON.parse(keys) as (string | number | null)[]).map(naiveKey)
    const measures = Object.entries(MEASURES[query.view]).map(([name, of]) => [name, of(own)] as const)
    return new Map([...names.map((name, index) => [name, values[index]!] as const), ...measures])
  })
  const shown = ranked ? rows.filter((row) => (row.get('mentions') as bigint) > 2n) : rows
  return limited(query, shown.sort(byOrder(orderOf(query, names))))
}

function factsOf(recorded: readonly Recorded[], tagged: boolean): Fact[] {
  return recorded.flatMap(({ order, partition, offset }): Fact[] => {
    if (order === null) return []
    const tags = tagged ? (order.tags ?? []) : [null]
    return tags.map((tag) => ({ ...order, partition, offset, tag }))
  })
}

function keysOf(query: AskedQuery, dimensions: readonly string[], fact: Fact): (string | number | null)[] {
  const values = dimensions.map((name) => DIMENSIONS[query.view][name]!(fact))
  if (query.grain === undefined) return values
  const offsetMs = query.timezone === 'Asia/Kolkata' ? 19_800_000 : 0
  return [new Date(bucketOf(query.grain, fact.at + offsetMs) - offsetMs).toISOString(), ...values]
}

const naiveKey = (value: string | number | null): Naive => (typeof value === 'number' ? BigInt(value) : value)

const LENGTH_MS: Partial<Record<Grain, number>> = {
  second: 1_000,
  '10s': 10_000,
  minute: 60_000,
  '5m': 300_000,
  '15m': 900_000,
  hour: 3_600_000,
  day: 86_400_000,
}

/** Start of the time's bucket, both local epoch ms. */
function bucketOf(grain: Grain, ms: number): number {
  const length = LENGTH_MS[grain]
  if (length !== undefined) return Math.floor(ms / length) * length
  const day = new Date(ms)
  const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()]
  if (grain === 'year') return Date.UTC(year)
  if (grain === 'quarter') return Date.UTC(year, month - (month % 3))
  if (grain === 'month') return Date.UTC(year, month)
  return Date.UTC(year, month, day.getUTCDate() - ((day.getUTCDay() + 6) % 7))
}

function passes(value: string | number | null, { operator, values }: AskedFilter): boolean {
  if (operator === 'null') return value === null
  if (operator === 'notnull') return value !== null
  if (operator === 'ne') return value !== values[0]
  if (value === null) return false
  if (operator === 'eq') return value === values[0]
  if (operator === 'in') return values.includes(String(value))
  if (operator === 'contains') return String(value).toLowerCase().includes(values[0]!.toLowerCase())
  return operator === 'gte' ? Number(value) >= Number(values[0]) : Number(value) < Number(values[0])
}

type Ordering = NonNullable<AskedQuery['order']>

function orderOf(query: AskedQuery, names: readonly string[]): Ordering {
  const ranking = query.view === 'trending' && (query.grain === undefined || query.per !== undefined)
  const wanted = query.order ?? (ranking ? [{ by: 'mentions', descending: true }] : [])
  const ties = names.filter((name) => wanted.every(({ by }) => by !== name))
  return [...wanted, ...ties.map((by) => ({ by, descending: false }))]
}

/** What has no value comes last, whichever the direction; texts by their UTF-8 bytes. */
function byOrder(order: Ordering): (a: NaiveRow, b: NaiveRow) => number {
  return (a, b) => {
    for (const { by, descending } of order) {
      const [left, right] = [a.get(by)!, b.get(by)!]
      if (left === null || right === null) {
        if (left !== right) return left === null ? 1 : -1
        continue
      }
      const sign =
        typeof left === 'bigint'
          ? Number(left > (right as bigint)) - Number(left < (right as bigint))
          : Buffer.compare(Buffer.from(left as string), Buffer.from(right as string))
      if (sign !== 0) return descending ? -sign : sign
    }
    return 0
  }
}

function limited({ view, limit, per }: AskedQuery, rows: readonly NaiveRow[]): Recount {
  const most = limit ?? (view === 'trending' ? 5 : 1_000)
  if (per === undefined) return { rows: rows.slice(0, most), truncated: rows.length > most }
  const seen = new Map<string, number>()
  const kept = rows.filter((row) => {
    const within = JSON.stringify(per.map((name) => String(row.get(name))))
    seen.set(within, (seen.get(within) ?? 0) + 1)
    return seen.get(within)! <= most
  })
  return { rows: kept, truncated: false }
}

export interface Window {
  readonly fromMs: number
  readonly toMs: number
}

/** The window that a question stands for when it is asked at `nowMs`; null when it asks for none. */
export function windowAt(query: AskedQuery, recorded: readonly Recorded[], nowMs: number): Window | null {
  if (query.at === undefined) return null
  let atMs = query.at === 'now' || query.at === 'latest' ? nowMs : query.at
  if (query.at === 'latest') {
    const panes = factsOf(recorded, true).map(({ at }) => Math.floor(at / WINDOW_EVERY_MS) * WINDOW_EVERY_MS)
    const past = panes.filter((pane) => pane <= nowMs)
    if (past.length > 0) atMs = past.reduce((a, b) => Math.max(a, b)) + WINDOW_EVERY_MS
  }
  const toMs = Math.ceil(atMs / WINDOW_EVERY_MS) * WINDOW_EVERY_MS
  return { fromMs: toMs - WINDOW_MS, toMs }
}
