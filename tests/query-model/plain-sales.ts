/** Sales of a few days around a clock change, and what each part of a query means in plain code that shares nothing with the SQL. */
import { count, countDistinct, defineDataset, max, quantile, sum } from '#core/definition.ts'
import { Random } from '#datasets/random.ts'

export const sales = defineDataset({
  name: 'sales',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    kind: { type: 'VARCHAR', path: '$.kind' },
    buyer: { type: 'VARCHAR', path: '$.buyer' },
    amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
  },
  views: {
    sold: {
      dimensions: { country: 'country', kind: 'kind' },
      time: ['hour', 'day', 'month'],
      measures: {
        n: count(),
        total: sum('amount'),
        buyers: countDistinct('buyer'),
        middle: quantile('amount', 0.5),
        most: max('amount'),
      },
    },
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
  readonly buyer: string
  /** hundredths */
  readonly amount: number | null
}

const HOUR_MS = 3_600_000
export const FIRST_MS = Date.UTC(2026, 2, 20)
export const DAYS = 14

/** Few in most hours, so that there are gaps. */
export function someSales(seed: number, number: number): Sale[] {
  const random = new Random(seed)
  const oneOf = <T>(list: readonly T[]): T => list[random.below(list.length)]!
  return Array.from({ length: number }, () => ({
    atMs: FIRST_MS + random.below(DAYS * 24) * HOUR_MS + random.below(HOUR_MS),
    country: oneOf(['de', 'fr', 'us', null]),
    kind: oneOf(['web', 'shop', null]),
    buyer: `b${random.below(25)}`,
    amount: random.below(9) === 0 ? null : random.below(5_000) - 500,
  }))
}

export function eventOf({ atMs, country, kind, buyer, amount }: Sale, id: number): string {
  const price = amount === null ? null : (amount / 100).toFixed(2)
  return JSON.stringify({ id, at: new Date(atMs).toISOString(), country, kind, buyer, amount: price })
}

export type Dimension = 'country' | 'kind'
export const MEASURES = ['n', 'total', 'buyers', 'middle', 'most'] as const
export type Measure = (typeof MEASURES)[number]
export type Value = string | number | null
export type Row = Record<string, Value>

/** What is compared with: so many local days before, or so many milliseconds. */
export interface PlainPeriod {
  readonly shift: string
  readonly fromMs: number
  readonly toMs: number
  readonly back: { readonly days: number } | { readonly ms: number }
}

/** What is asked: a part of the query model, with times as moments. */
export interface PlainQuery {
  readonly dimensions: readonly Dimension[]
  readonly measures: readonly Measure[]
  readonly country?: string | undefined
  readonly fromMs: number
  readonly toMs: number
  readonly grain?: 'hour' | 'day' | undefined
  readonly timezone: string
  readonly fill?: 'zero' | 'null' | 'previous' | undefined
  readonly totals?: boolean | undefined
  readonly shares?: readonly ('n' | 'total' | 'buyers')[] | undefined
  readonly earlier?: PlainPeriod | undefined
  /** at least so many */
  readonly havingN?: number | undefined
}

const VALUES: Record<Measure, (some: readonly Sale[]) => Value> = {
  n: (some) => some.length,
  total: (some) => {
    const amounts = amountsOf(some)
    return amounts.length === 0 ? null : amounts.reduce((sum, each) => sum + each, 0) / 100
  },
  buyers: (some) => new Set(some.map(({ buyer }) => buyer)).size,
  middle: (some) => {
    const sorted = amountsOf(some).toSorted((a, b) => a - b)
    return sorted.length === 0 ? null : sorted[Math.max(1, Math.ceil(sorted.length / 2)) - 1]! / 100
  },
  most: (some) => (amountsOf(some).length === 0 ? null : Math.max(...amountsOf(some)) / 100),
}

function amountsOf(some: readonly Sale[]): number[] {
  return some.flatMap(({ amount }) => amount ?? [])
}

export function valuesOf(measures: readonly Measure[], some: readonly Sale[]): Row {
  return Object.fromEntries(measures.map((name) => [name, VALUES[name](some)]))
}

/** Hours are buckets of their own; those of a local day are together. */
export function bucketsOf({ fromMs, toMs, grain, timezone }: PlainQuery): Map<number, number> {
  const day = new Intl.DateTimeFormat('en-CA', { timeZone: timezone, dateStyle: 'short' })
  const buckets = new Map<number, number>()
  let [start, shown] = [fromMs, '']
  for (let at = fromMs; at < toMs; at += HOUR_MS) {
    const date = day.format(at)
    if (date !== shown || grain === 'hour') start = at
    shown = date
    buckets.set(at, start)
  }
  return buckets
}

export function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS
}

const ABSENT: Record<Measure, 0 | null> = { n: 0, total: 0, buyers: 0, middle: null, most: null }

/** As `meta.totals` has them. */
export function plainTotals(sold: readonly Sale[], query: PlainQuery): Row {
  const { measures, earlier } = query
  const now = totalsOf(sold, query)
  if (earlier === undefined) return now
  return { ...now, ...comparison(now, totalsOf(sold, { ...query, ...earlier }), measures) }
}

/** Of the sales of all groups that pass. */
function totalsOf(sold: readonly Sale[], query: PlainQuery, measures = query.measures): Row {
  const { dimensions, grain, havingN = 0 } = query
  const buckets = bucketsOf(query)
  const groups = Map.groupBy(salesOf(sold, query), (one) =>
    JSON.stringify([...dimensions.map((name) => one[name]), grain && buckets.get(hourOf(one.atMs))]),
  )
  const passing = [...groups.values()].filter(({ length }) => length >= havingN).flat()
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
  const asked = { ...query, fromMs, toMs, earlier: undefined, havingN: undefined, shares: undefined, totals: undefined }
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

function comparison(row: Row, before: Row, measures: readonly Measure[]): Row {
  const entries = measures.flatMap((name): [string, Value][] => {
    const [now, then] = [row[name] as number | null, before[name] as number | null]
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

/** Rows in the order of an answer: by time, then by the dimensions, missing values last. */
export function plainRows(sold: readonly Sale[], query: PlainQuery): Row[] {
  const { dimensions, measures, fill, havingN } = query
  const buckets = bucketsOf(query)
  const own = salesOf(sold, query)
  const rows = groupsOf(own, dimensions).flatMap(({ keys, some }) => {
    if (query.grain === undefined)
      return some.length === 0 ? [] : [{ ...keys, ...valuesOf(allOf(measures, query.shares), some) }]
    const byTime = Map.groupBy(some, ({ atMs }) => buckets.get(hourOf(atMs))!)
    let before: Row = Object.fromEntries(allOf(measures, query.shares).map((name) => [name, null]))
    return [...new Set(buckets.values())].flatMap((start) => {
      const found = byTime.get(start)
      if (found === undefined && fill === undefined) return []
      const empty =
        fill === 'previous'
          ? before
          : Object.fromEntries(
              allOf(measures, query.shares).map((name) => [name, fill === 'zero' ? ABSENT[name] : null]),
            )
      before = found === undefined ? empty : valuesOf(allOf(measures, query.shares), found)
      return [{ time: new Date(start).toISOString(), ...keys, ...before }]
    })
  })
  const before = query.earlier === undefined ? null : rowsBefore(sold, query, query.earlier)
  const total = totalsOf(sold, query, allOf(measures, query.shares))
  return rows
    .map((row) => (before === null ? row : { ...row, ...comparison(row, before(row), measures) }))
    .filter(({ n }) => havingN === undefined || (n !== null && (n as number) >= havingN))
    .map((row) => ({ ...row, ...sharesOf(row, total, query) }))
    .map((row) => shown(row, query))
    .toSorted((a, b) => byKeys(a, b, ['time', ...dimensions]))
}

export function salesOf(sold: readonly Sale[], { fromMs, toMs, country }: PlainQuery): Sale[] {
  return sold.filter(
    (one) => one.atMs >= fromMs && one.atMs < toMs && (country === undefined || one.country === country),
  )
}

function allOf(measures: readonly Measure[], shares: readonly Measure[] = []): Measure[] {
  return [...new Set<Measure>([...measures, ...shares, 'n'])]
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

function byKeys(a: Row, b: Row, names: readonly string[]): number {
  for (const name of names) {
    const [x, y] = [a[name] ?? null, b[name] ?? null]
    if (x === y) continue
    if (x === null || y === null) return x === null ? 1 : -1
    return x < y ? -1 : 1
  }
  return 0
}

/** The views `sold` and `web` side by side: a group that one of them has shows of the other what no events give. */
export function plainJoined(sold: readonly Sale[], query: PlainQuery): Row[] {
  const { havingN, dimensions, measures } = query
  const alone = { ...query, havingN: undefined, measures: [...new Set<Measure>([...measures, 'n'])] }
  const web = sold.filter(({ kind }) => kind === 'web')
  const sides = [plainRows(sold, alone), plainRows(web, alone)] as const
  const keysOf = (row: Row): Row =>
    Object.fromEntries(['time', ...dimensions].flatMap((name) => (name in row ? [[name, row[name]!]] : [])))
  const textOf = (row: Row): string => JSON.stringify(keysOf(row))
  const groups = new Map(sides.flat().map((row) => [textOf(row), keysOf(row)]))
  return [...groups]
    .map(([text, keys]) => {
      const [a, b] = sides.map((rows) => rows.find((row) => textOf(row) === text) ?? ABSENT) as [Row, Row]
      return { n: a.n!, row: { ...keys, ...prefixed('sold', a, measures), ...prefixed('web', b, measures) } }
    })
    .filter(({ n }) => havingN === undefined || (n as number) >= havingN)
    .map(({ row }) => row)
    .toSorted((a, b) => byKeys(a, b, ['time', ...dimensions]))
}

export function prefixed(view: string, row: Row, measures: readonly Measure[]): Row {
  return Object.fromEntries(measures.map((name) => [`${view}.${name}`, row[name]!]))
}
