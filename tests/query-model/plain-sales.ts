/** Sales of a few days around a clock change, and what each part of a query means in plain code that shares nothing with the SQL. */
import {
  avg,
  count,
  countDistinct,
  defineDataset,
  histogram,
  latest,
  max,
  maxBy,
  quantile,
  sum,
} from '#core/definition.ts'
import { Random } from '#datasets/random.ts'

const dimensions = { country: 'country', kind: 'kind', size: 'size' }
const measures = {
  n: count(),
  total: sum('amount'),
  buyers: countDistinct('buyer'),
  middle: quantile('amount', 0.5),
  most: max('amount'),
  mean: avg('amount'),
  last: latest('kind'),
  best: maxBy('buyer', 'amount'),
  spread: histogram('amount', [0, 20]),
}

export const sales = defineDataset({
  name: 'sales',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    kind: { type: 'VARCHAR', path: '$.kind' },
    size: { type: 'INTEGER', path: '$.size' },
    buyer: { type: 'VARCHAR', path: '$.buyer' },
    amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
  },
  views: {
    sold: { dimensions, time: ['hour', 'day', 'month'], measures },
    ever: { dimensions, measures },
    top: { dimensions, time: ['hour', 'day', 'month'], measures, rank: { by: 'n', limit: 3, having: 'n > 1' } },
    web: {
      where: "kind = 'web'",
      dimensions: { country: 'country', buyer: 'buyer' },
      time: ['hour', 'day'],
      measures: { n: count(), total: sum('amount'), buyers: countDistinct('buyer'), most: max('amount') },
    },
  },
})

export interface Sale {
  readonly atMs: number
  readonly country: string | null
  readonly kind: string | null
  readonly size: number | null
  readonly buyer: string | null
  /** hundredths */
  readonly amount: number | null
}

const HOUR_MS = 3_600_000
export const FIRST_MS = Date.UTC(2026, 2, 20)
export const DAYS = 14

/** Few in most hours, so that there are gaps; some at the very beginning of an hour; no two at one time. */
export function someSales(seed: number, number: number): Sale[] {
  const random = new Random(seed)
  const oneOf = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  const atMs = (id: number): number => {
    const hour = id < DAYS * 24 && random.below(8) === 0 ? id : random.below(DAYS * 24)
    return FIRST_MS + hour * HOUR_MS + (hour === id ? 0 : random.below(HOUR_MS / 1_000) * 1_000 + 1 + (id % 999))
  }
  return Array.from({ length: number }, (_, id) => ({
    atMs: atMs(id),
    country: oneOf(['de', 'fr', 'us', null, null]),
    kind: oneOf(['web', 'shop', null]),
    size: oneOf([-1, 0, 2, null]),
    buyer: random.below(9) === 0 ? null : `b${random.below(25)}`,
    amount: random.below(5) === 0 ? null : random.below(8) === 0 ? 0 : random.below(5_000) - 500,
  }))
}

export function eventOf({ atMs, amount, ...more }: Sale, id: number): string {
  const price = amount === null ? null : (amount / 100).toFixed(2)
  return JSON.stringify({ id, at: new Date(atMs).toISOString(), ...more, amount: price })
}

export const DIMENSIONS = ['country', 'kind', 'size'] as const
export type Dimension = (typeof DIMENSIONS)[number]
export const MEASURES = ['n', 'total', 'buyers', 'middle', 'most', 'mean', 'last', 'best', 'spread'] as const
export type Measure = (typeof MEASURES)[number]
export type Value = string | number | readonly number[] | null
export type Row = Record<string, Value>

/** What is compared with: so many local days before, or so many milliseconds. */
export interface PlainPeriod {
  readonly shift: string
  readonly fromMs: number
  readonly toMs: number
  readonly back: { readonly days: number } | { readonly ms: number }
}

export interface PlainComparison {
  readonly operator: 'eq' | 'ne' | 'in' | 'gt' | 'gte' | 'lt' | 'lte' | 'contains' | 'null' | 'notnull'
  readonly value?: string | number
  readonly values?: readonly (string | number | null)[]
}

export type PlainFilter =
  | (PlainComparison & { readonly dimension: Dimension })
  | { readonly and: readonly PlainFilter[] }
  | { readonly or: readonly PlainFilter[] }
  | { readonly not: PlainFilter }

export interface PlainOrder {
  readonly by: string
  readonly direction: 'asc' | 'desc'
}

/** What is asked: a part of the query model, with times as moments. */
export interface PlainQuery {
  readonly dimensions: readonly Dimension[]
  readonly measures: readonly Measure[]
  /** all must hold */
  readonly filters?: readonly PlainFilter[] | undefined
  readonly fromMs: number
  readonly toMs: number
  readonly grain?: 'hour' | 'day' | 'month' | undefined
  readonly timezone: string
  readonly fill?: 'zero' | 'null' | 'previous' | undefined
  readonly totals?: boolean | undefined
  readonly shares?: readonly ('n' | 'total' | 'buyers')[] | undefined
  readonly earlier?: PlainPeriod | undefined
  readonly having?: (PlainComparison & { readonly measure: Measure }) | undefined
  /** as the ranked view has it: only groups of several sales */
  readonly several?: boolean | undefined
  readonly order?: readonly PlainOrder[] | undefined
  /** of each combination of `per` */
  readonly limit?: number | undefined
  readonly per?: readonly (Dimension | 'time')[] | undefined
}

const VALUES: Record<Measure, (some: readonly Sale[]) => Value> = {
  n: (some) => some.length,
  total: (some) => {
    const amounts = amountsOf(some)
    return amounts.length === 0 ? null : amounts.reduce((sum, each) => sum + each, 0) / 100
  },
  buyers: (some) => new Set(some.flatMap(({ buyer }) => buyer ?? [])).size,
  middle: (some) => {
    const sorted = amountsOf(some).toSorted((a, b) => a - b)
    return sorted.length === 0 ? null : sorted[Math.max(1, Math.ceil(sorted.length / 2)) - 1]! / 100
  },
  most: (some) => (amountsOf(some).length === 0 ? null : Math.max(...amountsOf(some)) / 100),
  mean: (some) => {
    const amounts = amountsOf(some)
    return amounts.length === 0 ? null : amounts.reduce((sum, each) => sum + each, 0) / 100 / amounts.length
  },
  last: (some) => some.filter(({ kind }) => kind !== null).toSorted((a, b) => b.atMs - a.atMs)[0]?.kind ?? null,
  best: (some) => {
    const both = some.filter(({ buyer, amount }) => buyer !== null && amount !== null)
    return both.toSorted((a, b) => b.amount! - a.amount! || compared(b.buyer!, a.buyer!))[0]?.buyer ?? null
  },
  spread: (some) => {
    const bins = amountsOf(some).map((amount) => (amount <= 0 ? 0 : amount <= 2_000 ? 1 : 2))
    return [0, 1, 2].map((bin) => bins.filter((own) => own === bin).length)
  },
}

/** Of two values of one type. */
function compared(a: string | number, b: string | number): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** A comparison is true or false. */
export function isTrue({ operator, value: wanted, values = [] }: PlainComparison, value: Value): boolean {
  if (operator === 'null' || operator === 'notnull') return (value === null) === (operator === 'null')
  if (operator === 'in') return values.includes(value as string | number | null)
  if (operator === 'ne') return value !== wanted
  if (value === null) return false
  if (operator === 'contains') return String(value).toLowerCase().includes(String(wanted).toLowerCase())
  const order = compared(value as string | number, wanted!)
  return { eq: order === 0, gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[operator]
}

function passes(filter: PlainFilter, one: Sale): boolean {
  if ('and' in filter) return filter.and.every((part) => passes(part, one))
  if ('or' in filter) return filter.or.some((part) => passes(part, one))
  if ('not' in filter) return !passes(filter.not, one)
  return isTrue(filter, one[filter.dimension])
}

function amountsOf(some: readonly Sale[]): number[] {
  return some.flatMap(({ amount }) => amount ?? [])
}

export function valuesOf(measures: readonly Measure[], some: readonly Sale[]): Row {
  return Object.fromEntries(measures.map((name) => [name, VALUES[name](some)]))
}

/** By hour of the range. Hours are buckets of their own; those of a local day or month are together, from its beginning on. */
export function bucketsOf({ fromMs, toMs, grain, timezone }: PlainQuery): Map<number, number> {
  const date = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
  const buckets = new Map<number, number>()
  let [start, shown] = [fromMs, '']
  // A month began at most 31 days before.
  for (let at = fromMs - (grain === 'month' ? 32 : 2) * 24 * HOUR_MS; at < toMs; at += HOUR_MS) {
    const own = date.format(at).slice(0, grain === 'month' ? 7 : undefined)
    if (own !== shown || grain === 'hour') start = at
    shown = own
    if (at >= fromMs) buckets.set(at, start)
  }
  return buckets
}

export function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS
}

const ABSENT: Record<Measure, 0 | null> = {
  ...{ n: 0, total: 0, buyers: 0, middle: null, most: null },
  ...{ mean: null, last: null, best: null, spread: null },
}

/** As `meta.totals` has them. */
export function plainTotals(sold: readonly Sale[], query: PlainQuery): Row {
  const { measures, earlier } = query
  const now = totalsOf(sold, query)
  if (earlier === undefined) return now
  return { ...now, ...comparison(now, totalsOf(sold, { ...query, ...earlier }), measures) }
}

/** Of the sales of all groups that pass. */
function totalsOf(sold: readonly Sale[], query: PlainQuery, measures = query.measures): Row {
  const { dimensions, grain } = query
  const buckets = bucketsOf(query)
  const groups = Map.groupBy(salesOf(sold, query), (one) =>
    JSON.stringify([...dimensions.map((name) => one[name]), grain && buckets.get(hourOf(one.atMs))]),
  )
  const read = allOf(query)
  const passing = [...groups.values()].filter((some) => isKept(valuesOf(read, some), query)).flat()
  return passing.length === 0
    ? Object.fromEntries(measures.map((name) => [name, ABSENT[name]]))
    : valuesOf(measures, passing)
}

/** The row of the earlier period that is at the same place on the zone's clock; the first one of a repeated hour. */
function rowsBefore(sold: readonly Sale[], query: PlainQuery, earlier: PlainPeriod): (row: Row) => Row {
  const { dimensions, measures, fill, grain, timezone } = query
  const { fromMs, toMs, back } = earlier
  const clock = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    dateStyle: 'short',
    ...(grain === 'hour' ? { timeStyle: 'short' as const, hourCycle: 'h23' } : {}),
  })
  const placeOf = ({ time }: Row, days: number): string => {
    if (time === undefined) return ''
    const atMs = Date.parse(time as string)
    if ('ms' in back) return String(atMs - (days === 0 ? 0 : back.ms))
    const [date, hour] = clock.format(atMs).split(', ') as [string, string?]
    return `${new Date(Date.parse(date) - days * 86_400_000).toISOString().slice(0, 10)} ${hour}`
  }
  const keysOf = (row: Row): string => JSON.stringify(dimensions.map((name) => row[name]))
  const asked = {
    ...{ dimensions, measures, filters: query.filters, timezone, grain, fill },
    ...{ fromMs, toMs },
  }
  const found = new Map<string, Row>()
  const taken = new Map<string, Value | undefined>()
  // Where an hour is repeated, the first one is taken, for all groups.
  for (const start of new Set(bucketsOf(asked).values())) {
    const time = new Date(start).toISOString()
    const place = placeOf({ time }, 0)
    if (grain !== undefined && !taken.has(place)) taken.set(place, time)
  }
  for (const row of plainRows(sold, asked)) {
    const place = placeOf(row, 0)
    if (taken.get(place) === row.time) found.set(`${place}${keysOf(row)}`, row)
  }
  const absent =
    fill === undefined || fill === 'zero' ? ABSENT : Object.fromEntries(measures.map((name) => [name, null]))
  return (row) => found.get(`${placeOf(row, 'days' in back ? back.days : 1)}${keysOf(row)}`) ?? absent
}

const TEXTS_AND_LISTS: readonly Measure[] = ['last', 'best', 'spread']

function comparison(row: Row, before: Row, measures: readonly Measure[]): Row {
  const entries = measures.flatMap((name): [string, Value][] => {
    const [now, then] = [row[name] as number | null, before[name] as number | null]
    if (TEXTS_AND_LISTS.includes(name)) return [[`${name}_previous`, then]]
    return [
      [`${name}_previous`, then],
      [`${name}_difference`, now === null || then === null ? null : now - then],
      [`${name}_ratio`, now === null || !then ? null : now / then],
    ]
  })
  return Object.fromEntries(entries)
}

function sharesOf(row: Row, total: Row, { shares = [] }: PlainQuery): Row {
  const shareOf = (value: Value, all: Value): Value =>
    value === null || !all ? null : (value as number) / (all as number)
  return Object.fromEntries(shares.map((name) => [`${name}_share`, shareOf(row[name]!, total[name]!)]))
}

/** Rows in the order of an answer: by what is asked, then by time and the dimensions, missing values last. */
export function plainRows(sold: readonly Sale[], query: PlainQuery): Row[] {
  const { dimensions, measures, fill } = query
  const all = allOf(query)
  const buckets = bucketsOf(query)
  const own = salesOf(sold, query)
  const rows = groupsOf(own, dimensions).flatMap(({ keys, some }) => {
    if (query.grain === undefined) return some.length === 0 ? [] : [{ ...keys, ...valuesOf(all, some) }]
    const byTime = Map.groupBy(some, ({ atMs }) => buckets.get(hourOf(atMs))!)
    let before: Row = Object.fromEntries(all.map((name) => [name, null]))
    return [...new Set(buckets.values())].flatMap((start) => {
      const found = byTime.get(start)
      if (found === undefined && fill === undefined) return []
      const empty =
        fill === 'previous'
          ? before
          : Object.fromEntries(all.map((name) => [name, fill === 'zero' ? ABSENT[name] : null]))
      before = found === undefined ? empty : valuesOf(all, found)
      return [{ time: new Date(start).toISOString(), ...keys, ...before }]
    })
  })
  const before = query.earlier === undefined ? null : rowsBefore(sold, query, query.earlier)
  const total = totalsOf(sold, query, all)
  const ranked = rows
    .map((row) => (before === null ? row : { ...row, ...comparison(row, before(row), measures) }))
    .filter((row) => isKept(row, query))
    .map((row) => ({ ...row, ...sharesOf(row, total, query) }))
    .toSorted((a, b) => byOrder(a, b, [...(query.order ?? []), ...ascending('time', ...dimensions)]))
  return firstOf(ranked, query).map((row) => shown(row, query))
}

function isKept(row: Row, { having, several }: PlainQuery): boolean {
  return (!several || (row.n as number) > 1) && (having === undefined || isTrue(having, row[having.measure]!))
}

function firstOf(ranked: readonly Row[], { per = [], limit }: PlainQuery): readonly Row[] {
  const within = Map.groupBy(ranked, (row) => JSON.stringify(per.map((name) => row[name])))
  const first = new Set([...within.values()].flatMap((own) => own.slice(0, limit)))
  return ranked.filter((row) => first.has(row))
}

export function salesOf(sold: readonly Sale[], { fromMs, toMs, filters = [] }: PlainQuery): Sale[] {
  return sold.filter((one) => one.atMs >= fromMs && one.atMs < toMs && filters.every((filter) => passes(filter, one)))
}

/** Also those that are not shown. */
function allOf({ measures, shares = [], having, order = [] }: PlainQuery): Measure[] {
  const ranking = MEASURES.filter((name) => having?.measure === name || order.some(({ by }) => by === name))
  return [...new Set<Measure>([...measures, ...shares, ...ranking, 'n'])]
}

function shown(row: Row, { measures }: PlainQuery): Row {
  const isShown = (name: string): boolean => !MEASURES.includes(name as Measure) || measures.includes(name as Measure)
  return Object.fromEntries(Object.entries(row).filter(([name]) => isShown(name)))
}

export function groupsOf(own: readonly Sale[], dimensions: readonly Dimension[]): { keys: Row; some: Sale[] }[] {
  if (dimensions.length === 0) return [{ keys: {}, some: [...own] }]
  return [...Map.groupBy(own, (one) => JSON.stringify(dimensions.map((name) => one[name]))).values()].map((some) => ({
    keys: Object.fromEntries(dimensions.map((name) => [name, some[0]![name]])),
    some,
  }))
}

function ascending(...names: readonly string[]): PlainOrder[] {
  return names.map((by) => ({ by, direction: 'asc' }))
}

/** Missing values last in both directions. */
export function byOrder(a: Row, b: Row, order: readonly PlainOrder[]): number {
  for (const { by, direction } of order) {
    const [x, y] = [a[by] ?? null, b[by] ?? null]
    if (x === y) continue
    if (x === null || y === null) return x === null ? 1 : -1
    const found = compared(x as string | number, y as string | number)
    if (found !== 0) return direction === 'asc' ? found : -found
  }
  return 0
}

/** The views `sold` and `web` side by side: a group that one of them has shows of the other what no events give. */
export function plainJoined(sold: readonly Sale[], query: PlainQuery): Row[] {
  const { having, dimensions, measures } = query
  const read = [...new Set<Measure>([...measures, ...(having === undefined ? [] : [having.measure])])]
  const alone = { ...query, having: undefined, order: undefined, limit: undefined, per: undefined, measures: read }
  const web = sold.filter(({ kind }) => kind === 'web')
  const sides = [plainRows(sold, alone), plainRows(web, alone)] as const
  const keysOf = (row: Row): Row =>
    Object.fromEntries(['time', ...dimensions].flatMap((name) => (name in row ? [[name, row[name]!]] : [])))
  const textOf = (row: Row): string => JSON.stringify(keysOf(row))
  const groups = new Map(sides.flat().map((row) => [textOf(row), keysOf(row)]))
  return [...groups]
    .map(([text, keys]) => {
      const [a, b] = sides.map((rows) => rows.find((row) => textOf(row) === text) ?? ABSENT) as [Row, Row]
      return { a, row: { ...keys, ...prefixed('sold', a, measures), ...prefixed('web', b, measures) } }
    })
    .filter(({ a }) => having === undefined || isTrue(having, a[having.measure]!))
    .map(({ row }) => row)
    .toSorted((a, b) => byOrder(a, b, ascending('time', ...dimensions)))
}

export function prefixed(view: string, row: Row, measures: readonly Measure[]): Row {
  return Object.fromEntries(measures.map((name) => [`${view}.${name}`, row[name]!]))
}
