/** Technical indicators against published worked examples, an independent library over real prices, and the recursion over all rows. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Aroon, BollingerBands, EMA, RSI, WSMA } from 'trading-signals'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import {
  defineDataset,
  ema,
  latest,
  max,
  min,
  movingAverage,
  movingStddevPop,
  rowsSinceMax,
  rowsSinceMin,
  rsi,
  wilderAverage,
} from '#core/definition.ts'
import { calculatedSql } from '#core/series/series-sql.ts'
import { testConnection } from '#storage/engine/engine-fixture.ts'

const connection = await testConnection()
const dataset = await compileDataset(
  defineDataset({
    name: 'quotes',
    time: 'at',
    key: 'symbol',
    columns: {
      symbol: { type: 'VARCHAR', path: '$.symbol', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', required: true },
      price: { type: 'DECIMAL(18,6)', path: '$.price' },
    },
    views: {
      bars: {
        dimensions: {},
        time: ['day'],
        measures: { close: latest('price'), high: max('price'), low: min('price') },
      },
    },
    series: {
      indicators: {
        over: 'bars',
        grain: 'day',
        columns: {
          middle: movingAverage('close', 20),
          deviation: movingStddevPop('close', 20),
          upper: 'middle + 2 * deviation',
          lower: 'middle - 2 * deviation',
          ema_10: ema('close', 10),
          ema_50: ema('close', 50),
          rsi_14: rsi('close', 14),
          wilder_14: wilderAverage('high - low', 14),
          aroon_up: '100.0 * (25 - since_high) / 25',
          aroon_down: '100.0 * (25 - since_low) / 25',
          since_high: rowsSinceMax('high', 26),
          since_low: rowsSinceMin('low', 26),
        },
      },
    },
  }),
  connection,
)

interface Bar {
  readonly close: number
  readonly high: number
  readonly low: number
}
type Indicators = Readonly<Record<string, number | null>>

async function indicatorsOf(bars: readonly Bar[]): Promise<readonly Indicators[]> {
  const { columns } = dataset.series.get('indicators')!
  const values = bars.map(({ close, high, low }, at) => `(${at}, ${close}, ${high}, ${low})`).join(', ')
  const types = ['close', 'high', 'low'].map((name) => `${name}::DECIMAL(18,6) AS ${name}`).join(', ')
  const rows = `(SELECT nth AS "time", ${types} FROM (VALUES ${values}) AS t(nth, close, high, low))`
  const steps = [...new Set(columns.flatMap((column) => column.steps))]
  const shown = columns.map(({ name }) => `${name}::DOUBLE AS ${name}`).join(', ')
  return connection.rows<Indicators>(`SELECT ${shown} FROM ${calculatedSql(rows, steps, [])} ORDER BY "time"`)
}

const ofCloses = (text: string): Promise<readonly Indicators[]> =>
  indicatorsOf(text.split(' ').map((close) => ({ close: Number(close), high: Number(close), low: Number(close) })))

const rounded = (rows: readonly Indicators[], name: string): string[] =>
  rows.flatMap((row) => (row[name] === null ? [] : [row[name]!.toFixed(2)]))

test('a 10-day exponential moving average is that of the chart school', async () => {
  const rows = await ofCloses(
    '22.27 22.19 22.08 22.17 22.18 22.13 22.23 22.43 22.24 22.29 22.15 22.39 22.38 22.61 23.36 24.05 23.75 23.83 23.95 23.63 23.82 23.87 23.65 23.19 23.10 23.33 22.68 23.10 22.40 22.17',
  )
  expect(rounded(rows, 'ema_10').join(' ')).toBe(
    '22.22 22.21 22.24 22.27 22.33 22.52 22.80 22.97 23.13 23.28 23.34 23.43 23.51 23.53 23.47 23.40 23.39 23.26 23.23 23.08 22.92',
  )
})

test("Wilder's relative strength index is that of the chart school, from its closes in cents", async () => {
  const rows = await ofCloses(
    '44.34 44.09 44.15 43.61 44.33 44.83 45.10 45.42 45.84 46.08 45.89 46.03 45.61 46.28 46.28 46.00 46.03 46.41 46.22 45.64 46.21 46.25 45.71 46.45 45.78 45.35 44.03 44.18 44.22 44.57 43.42 42.66 43.13',
  )
  expect(rounded(rows, 'rsi_14').join(' ')).toBe(
    '70.46 66.25 66.48 69.35 66.29 57.92 62.88 63.21 56.01 62.34 54.67 50.39 40.02 41.49 41.90 45.50 37.32 33.09 37.79',
  )
})

test('Bollinger bands of 20 days and 2 deviations are those of the chart school', async () => {
  const rows = await ofCloses(
    '86.16 89.09 88.78 90.32 89.07 91.15 89.44 89.18 86.93 87.68 86.96 89.43 89.32 88.72 87.45 87.26 89.50 87.90 89.13 90.70 92.90',
  )
  // Published from closes with more digits.
  const published = { middle: [88.71, 89.05], deviation: [1.29, 1.45], upper: [91.29, 91.95], lower: [86.12, 86.14] }
  for (const [name, values] of Object.entries(published))
    for (const [at, value] of values.entries()) expect(Math.abs(rows[19 + at]![name]! - value)).toBeLessThan(0.01)
})

const csv = readFileSync(
  fileURLToPath(new URL('../../datasets/stock-quotes/prices/sp500-daily.csv', import.meta.url)),
  'utf8',
)
const bars = csv
  .trim()
  .split('\n')
  .slice(1)
  .map((line): Bar => {
    const [, , high, low, close] = line.split(',').map(Number)
    return { high: high!, low: low!, close: close! }
  })

test('twenty years of the S&P 500 have the indicators of an independent library, which begins at the first day', async () => {
  const [bands, fast, slow] = [new BollingerBands(20, 2), new EMA(10), new EMA(50)]
  const [strength, smoothed, aroon] = [new RSI(14, WSMA), new WSMA(14), new Aroon(25)]
  const rows = await indicatorsOf(bars)
  expect(rows.length).toBeGreaterThan(5_000)
  for (const [at, bar] of bars.entries()) {
    const [band, up, rsi_14, wilder] = [
      bands.add(bar.close),
      aroon.add(bar),
      strength.add(bar.close),
      smoothed.add(bar.high - bar.low),
    ]
    const others = { ema_10: fast.add(bar.close), ema_50: slow.add(bar.close), rsi_14, wilder_14: wilder }
    const wanted = { ...others, ...band, aroon_up: up?.aroonUp, aroon_down: up?.aroonDown }
    for (const [name, value] of Object.entries(wanted)) {
      // The library begins its averages with the first close, not with the mean of the first ones.
      const begins = name.startsWith('ema') ? 20 * 50 : 0
      if (value === null || value === undefined || at < begins) continue
      const row = rows[at]!
      expect(row[name], `${name} on day ${at}`).toBeCloseTo(value, 6)
    }
  }
})
