/** What the series of the ticks are, in plain code over the ticks: nothing is merged, and every row is calculated by itself. */
import type { Tick } from './ticks.ts'

export type Value = number | string | null
export type Row = Record<string, Value>

export interface PlainQuery {
  readonly filled: boolean
  readonly by: readonly ('symbol' | 'venue')[]
  /** start of the bucket of a time, epoch ms */
  readonly bucketOf: (ms: number) => number
  /** start of the next bucket */
  readonly nextOf: (bucket: number) => number
  /** what the wall clock shows at a bucket */
  readonly wallOf: (bucket: number) => number
}

interface PlainRow {
  readonly time: number
  readonly values: Row
}

/** All rows, in the order of their times. */
export function plainSeries(ticks: readonly Tick[], query: PlainQuery): Row[] {
  if (ticks.length === 0) return []
  const newest = Math.max(...ticks.map(({ atMs }) => query.bucketOf(atMs)))
  const groups = Map.groupBy(ticks, (tick) => JSON.stringify(query.by.map((name) => tick[name])))
  const all = [...groups.values()].flatMap((group) => {
    const bars = barsOf(group, query)
    const rows = query.filled ? filledRows(bars, newest, query) : bars
    alongRows(rows)
    return rows
  })
  for (const [, rows] of Map.groupBy(all, ({ time }) => time)) acrossRows(rows)
  for (const [, rows] of Map.groupBy(all, ({ values }) => JSON.stringify(query.by.map((name) => values[name]))))
    afterAcross(rows)
  const begin = Math.min(...all.map(({ time }) => query.wallOf(time)))
  for (const [, rows] of Map.groupBy(all, ({ values }) => JSON.stringify(query.by.map((name) => values[name]))))
    earlierRows(rows, begin, query)
  return all
    .toSorted((a, b) => a.time - b.time)
    .map(({ time, values }) => ({ time: new Date(time).toISOString(), ...values }))
}

function barsOf(ticks: readonly Tick[], { by, bucketOf }: PlainQuery): PlainRow[] {
  const buckets = Map.groupBy(ticks, ({ atMs }) => bucketOf(atMs))
  return [...buckets]
    .toSorted(([a], [b]) => a - b)
    .map(([time, some]) => {
      const inTime = some.toSorted((a, b) => a.atMs - b.atMs)
      const prices = inTime.flatMap(({ price }) => (price === null ? [] : [price]))
      const sizes = inTime.flatMap(({ size }) => (size === null ? [] : [size]))
      const of = (hundredths: number | undefined): Value => (hundredths === undefined ? null : hundredths / 100)
      const values: Row = {
        ...Object.fromEntries(by.map((name) => [name, some[0]![name]])),
        open: of(prices[0]),
        high: prices.length === 0 ? null : Math.max(...prices) / 100,
        low: prices.length === 0 ? null : Math.min(...prices) / 100,
        close: of(prices.at(-1)),
        volume: sizes.length === 0 ? null : sizes.reduce((a, b) => a + b),
        trades: some.length,
      }
      return { time, values }
    })
}

function filledRows(bars: readonly PlainRow[], newest: number, { nextOf }: PlainQuery): PlainRow[] {
  const byTime = new Map(bars.map((bar) => [bar.time, bar]))
  const rows: PlainRow[] = []
  for (let time = bars[0]!.time; time <= newest; time = nextOf(time)) {
    const before = rows.at(-1)?.values
    rows.push(byTime.get(time) ?? { time, values: { ...before, open: null, volume: 0, trades: 0 } })
  }
  return rows
}

type Numbers = readonly (number | null)[]

function alongRows(rows: readonly PlainRow[]): void {
  const of = (name: string): Numbers => rows.map(({ values }) => values[name] as number | null)
  const put = (name: string, values: readonly Value[]): void => {
    for (const [at, value] of values.entries()) rows[at]!.values[name] = value
  }
  const [close, high, low, volume] = [of('close'), of('high'), of('low'), of('volume')]
  put('sma', windowed(close, 4, mean))
  put(
    'deviation',
    windowed(close, 4, (some) => deviation(some, 0)),
  )
  put(
    'sample',
    windowed(close, 3, (some) => deviation(some, 1)),
  )
  put(
    'upper',
    zip(of('sma'), of('deviation'), (a, b) => a + 2 * b),
  )
  put(
    'before',
    rows.map((_, at) => close[at - 2] ?? null),
  )
  const before = rows.map((_, at) => close[at - 1] ?? null)
  put(
    'change',
    zip(close, before, (a, b) => (Math.round(a * 100) - Math.round(b * 100)) / 100),
  )
  put(
    'gain',
    zip(close, before, (a, b) => (b === 0 ? null : a / b - 1)),
  )
  put(
    'recent',
    windowed(volume, 3, (some) => (some.length === 0 ? null : some.reduce((a, b) => a + b))),
  )
  put(
    'lowest',
    windowed(low, 3, (some) => (some.length === 0 ? null : Math.min(...some))),
  )
  put(
    'highest',
    windowed(high, 3, (some) => (some.length === 0 ? null : Math.max(...some))),
  )
  put('since_high', sinceExtreme(high, 4, Math.max))
  put('since_low', sinceExtreme(low, 4, Math.min))
  put('smooth', smoothed(close, 3, 0.5, 60))
  put(
    'true_range',
    smoothed(
      zip(high, low, (a, b) => a - b),
      2,
      0.5,
      80,
    ),
  )
  const change = of('change')
  const gains = smoothed(
    change.map((one) => (one === null ? null : Math.max(one, 0))),
    2,
    0.5,
    80,
  )
  const losses = smoothed(
    change.map((one) => (one === null ? null : Math.max(-one, 0))),
    2,
    0.5,
    80,
  )
  put(
    'strength',
    zip(gains, losses, (up, down) => (up + down === 0 ? null : (100 * up) / (up + down))),
  )
  put('total', running(volume))
  put('trend', running(zip(of('gain'), volume, (a, b) => a * b)))
  put(
    'rising',
    change.map((one) => (one === null || one === 0 ? null : one > 0 ? 'up' : 'down')),
  )
}

/** Over all keys at one time. */
function acrossRows(rows: readonly PlainRow[]): void {
  const sum = rows.reduce((total, { values }) => total + ((values.volume as number | null) ?? 0), 0)
  for (const { values } of rows) {
    values.part = values.volume === null || sum === 0 ? null : (values.volume as number) / sum
    values.place = placeOf(
      values.volume as number | null,
      rows.map((row) => row.values.volume as number | null),
    )
    values.best = placeOf(
      values.recent as number | null,
      rows.map((row) => row.values.recent as number | null),
    )
  }
}

function afterAcross(rows: readonly PlainRow[]): void {
  const parts = rows.map(({ values }) => values.part as number | null)
  for (const [at, value] of windowed(parts, 2, mean).entries()) rows[at]!.values.usual_part = value
}

/** The mean of a value at the same times of the days or weeks before. */
function earlierRows(rows: readonly PlainRow[], begin: number, { wallOf }: PlainQuery): void {
  const byWall = new Map(rows.map((row) => [wallOf(row.time), row]))
  const usual = (row: PlainRow, name: string, days: number, times: number, absent: 0 | null): number | null => {
    const walls = Array.from({ length: times }, (_, at) => wallOf(row.time) - (at + 1) * days * 86_400_000)
    const known = walls.filter((wall) => wall >= begin)
    const values = known.map((wall) => (byWall.get(wall)?.values[name] as number | null | undefined) ?? absent)
    return mean(values.filter((value) => value !== null))
  }
  for (const row of rows) {
    const { values } = row
    const volume = usual(row, 'volume', 1, 2, 0)
    values.usual_volume = volume
    values.usual_close = usual(row, 'close', 7, 2, null)
    values.usual_recent = usual(row, 'recent', 1, 1, 0)
    values.score =
      volume === null || values.volume === null ? null : ((values.volume as number) - volume) / Math.sqrt(volume + 1)
  }
}

function placeOf(value: number | null, all: Numbers): number | null {
  return value === null ? null : 1 + all.filter((other) => other !== null && other > value).length
}

function zip(a: Numbers, b: Numbers, of: (a: number, b: number) => number | null): (number | null)[] {
  return a.map((one, at) => (one === null || b[at] === null || b[at] === undefined ? null : of(one, b[at])))
}

/** Of the values that there are in the last `rows` rows. */
function windowed(all: Numbers, rows: number, of: (some: number[]) => number | null): (number | null)[] {
  return all.map((_, at) => {
    if (at + 1 < rows) return null
    return of(all.slice(at + 1 - rows, at + 1).filter((one) => one !== null))
  })
}

function mean(some: readonly number[]): number | null {
  return some.length === 0 ? null : some.reduce((a, b) => a + b) / some.length
}

function deviation(some: readonly number[], lost: 0 | 1): number | null {
  if (some.length <= lost) return null
  const middle = mean(some)!
  return Math.sqrt(some.reduce((total, one) => total + (one - middle) ** 2, 0) / (some.length - lost))
}

function sinceExtreme(all: Numbers, rows: number, of: (...some: number[]) => number): (number | null)[] {
  return all.map((_, at) => {
    if (at + 1 < rows) return null
    const some = all.slice(at + 1 - rows, at + 1)
    const values = some.filter((one) => one !== null)
    return values.length === 0 ? null : some.toReversed().indexOf(of(...values))
  })
}

/** Of the values that there are in the last `window` rows, each average from its beginning. */
function smoothed(all: Numbers, rows: number, weight: number, window: number): (number | null)[] {
  return all.map((_, at) => {
    const some = all.slice(Math.max(0, at + 1 - window), at + 1).filter((one) => one !== null)
    if (some.length < rows) return null
    return some.slice(rows).reduce((value, one) => value + (one - value) * weight, mean(some.slice(0, rows))!)
  })
}

function running(all: Numbers): (number | null)[] {
  let total: number | null = null
  return all.map((one) => {
    if (one !== null) total = (total ?? 0) + one
    return total
  })
}
