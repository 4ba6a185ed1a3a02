/** A dataset of trades whose series use every kind of calculation, and its generated events. */
import fc from 'fast-check'
import {
  calculate,
  count,
  cumulativeSum,
  defineDataset,
  difference,
  ema,
  first,
  lag,
  latest,
  max,
  min,
  movingAverage,
  movingMax,
  movingMin,
  movingStddev,
  movingStddevPop,
  movingSum,
  rank,
  returns,
  rowsSinceMax,
  rowsSinceMin,
  rsi,
  share,
  sum,
  usual,
  wilderAverage,
} from '#core/definition.ts'

const columns = {
  upper: 'sma + 2 * deviation',
  sma: movingAverage('close', 4),
  deviation: movingStddevPop('close', 4),
  sample: movingStddev('close', 3),
  before: lag('close', 2),
  change: difference('close'),
  gain: returns('close'),
  recent: movingSum('volume', 3),
  lowest: movingMin('low', 3),
  highest: movingMax('high', 3),
  since_high: rowsSinceMax('high', 4),
  since_low: rowsSinceMin('low', 4),
  smooth: ema('close', 3),
  true_range: wilderAverage('high - low', 2),
  strength: rsi('close', 2),
  total: cumulativeSum('volume'),
  trend: cumulativeSum('gain * volume'),
  part: share('volume'),
  place: rank('volume'),
  best: rank('recent'),
  usual_part: movingAverage('part', 2),
  usual_volume: usual('volume', { every: '1d', times: 2 }),
  usual_close: usual('close', { every: '7d', times: 2, absent: null }),
  score: '(volume - usual_volume) / sqrt(usual_volume + 1)',
  usual_recent: usual('recent', { every: '1d', times: 1 }),
  rising: calculate("CASE WHEN change > 0 THEN 'up' WHEN change < 0 THEN 'down' END"),
} as const

export const TICKS = defineDataset({
  name: 'ticks',
  time: 'at',
  key: 'symbol',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    symbol: { type: 'VARCHAR', path: '$.symbol', default: '' },
    venue: { type: 'VARCHAR', path: '$.venue' },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
    size: { type: 'BIGINT', path: '$.size' },
  },
  views: {
    bars: {
      dimensions: { symbol: 'symbol', venue: 'venue' },
      time: ['minute', 'hour', 'day', 'week', 'month'],
      measures: {
        open: first('price'),
        high: max('price'),
        low: min('price'),
        close: latest('price'),
        volume: sum('size'),
        trades: count(),
      },
    },
  },
  series: {
    plain: { over: 'bars', by: ['symbol'], grain: 'hour', columns },
    filled: {
      over: 'bars',
      by: ['symbol'],
      grain: 'hour',
      fill: { close: 'previous', high: 'previous', low: 'previous', volume: 0, trades: 0 },
      columns,
    },
  },
})

export interface Tick {
  readonly id: number
  readonly atMs: number
  readonly symbol: string
  readonly venue: string | null
  /** hundredths */
  readonly price: number | null
  readonly size: number | null
}

export const DAY_MS = 86_400_000
/** A Sunday, two weeks before clocks change in Berlin. */
export const START_MS = Date.UTC(2026, 2, 15)
export const DAYS = 16

/** Trades cluster in a few hours, so that rows follow each other closely, and have gaps between them. */
const moment = fc
  .tuple(fc.constantFrom(0, 0, 0, 1, 6, 13, 14, 15), fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 1, 2, 59))
  .map(([day, hour, minute]) => START_MS + day * DAY_MS + (hour * 60 + minute) * 60_000)

/** No two at the same time: which of two is the first is not what is tested here. */
export const ticks: fc.Arbitrary<readonly Tick[]> = fc
  .array(
    fc.record({
      atMs: fc.tuple(moment, fc.integer({ min: 0, max: 59_999 })).map(([at, ms]) => at + ms),
      symbol: fc.constantFrom('a', 'a', 'b', "o'x"),
      venue: fc.constantFrom('x', 'x', 'y', null),
      price: fc.option(fc.integer({ min: 1, max: 9_999 }), { freq: 8 }),
      size: fc.option(fc.integer({ min: 0, max: 100 }), { freq: 8 }),
    }),
    { minLength: 1, maxLength: 90, size: 'max' },
  )
  .map((some) => [...new Map(some.map((one) => [one.atMs, one])).values()].map((one, id) => ({ ...one, id })))

export function textOf({ id, atMs, symbol, venue, price, size }: Tick): string {
  return JSON.stringify({ id, at: atMs, symbol, venue, price: price === null ? null : (price / 100).toFixed(2), size })
}
