/** The answers of both layers together, against plain code over the same lines: bars, indicators, and what may be wrong with the prices. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AnswerRow, BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import definition from './definition.ts'
import { priceHistory } from './price-history.ts'
import { QuoteGenerator } from './quote-generator.ts'

interface Quote {
  readonly symbol: string
  readonly at: string
  readonly price?: string
  readonly size?: number
  readonly open?: string
  readonly high?: string
  readonly low?: string
  readonly close?: string
  readonly volume?: number
}

interface Bar {
  readonly day: string
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  readonly quotes: number
}

/** Five years of days, and a week of quotes that go on from there. */
const generator = await QuoteGenerator.of({ seed: 7, startMs: Date.UTC(2020, 5, 1, 13), eventsPerSecond: 0.002 })
const live = Array.from({ length: 2_400 }, () => generator.next()).filter((line) => line.includes('"size"'))
const lines = [...(await priceHistory()).slice(-1_400), ...live]
const quotes = lines.map((line) => JSON.parse(line) as Quote)

let layers: BothLayers
beforeAll(async () => {
  layers = await BothLayers.of(definition, lines)
})
afterAll(() => layers.close())

function barsOf(symbol: string, length: number): Bar[] {
  const own = quotes.filter((quote) => quote.symbol === symbol)
  return [...Map.groupBy(own, ({ at }) => at.slice(0, length))]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([day, some]) => {
      // Quotes of one moment are in the order of the log, which is that of the lines.
      const inTime = some.toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at))
      const all = (...names: ('price' | 'open' | 'high' | 'low' | 'close')[]): number[] =>
        inTime.map((quote) => Number(names.map((name) => quote[name]).find((value) => value !== undefined)))
      return {
        day,
        open: all('price', 'open', 'close')[0]!,
        high: Math.max(...all('price', 'high', 'close')),
        low: Math.min(...all('price', 'low', 'close')),
        close: all('price', 'close').at(-1)!,
        volume: inTime.reduce((sum, { size, volume }) => sum + (size ?? volume ?? 0), 0),
        quotes: inTime.length,
      }
    })
}

const rowsOf = (view: string, symbol: string, more = ''): Promise<readonly AnswerRow[]> =>
  layers.ask(`${view}?filter=symbol:eq:${symbol}&limit=10000${more}`)

test.each([
  ['minute', 16],
  ['day', 10],
  ['month', 7],
  ['year', 4],
])('open, high, low, close and volume by %s', async (grain, length) => {
  for (const symbol of ['SPX', 'AAPL', 'MSFT']) {
    const bars = barsOf(symbol, length)
    const rows = await rowsOf('bars', symbol, `&grain=${grain}&order=time`)
    expect(rows.length).toBe(bars.length)
    for (const [at, { day, ...bar }] of bars.entries()) {
      expect(rows[at]).toMatchObject(bar)
      expect(String(rows[at]!.time).slice(0, length)).toBe(day)
    }
  }
})

const mean = (some: readonly number[]): number => some.reduce((a, b) => a + b, 0) / some.length

/** Of as many values as the smoothed average knows. */
function smoothed(all: readonly number[], rows: number, weight: number, known: number): number | null {
  const some = all.slice(-known)
  if (some.length < rows) return null
  return some.slice(rows).reduce((value, one) => value + weight * (one - value), mean(some.slice(0, rows)))
}

function indicatorsAt(bars: readonly Bar[], at: number): Record<string, number | null> {
  const closes = bars.slice(0, at + 1).map(({ close }) => close)
  const gains = closes.map((close, nth) => (nth === 0 ? null : close / closes[nth - 1]! - 1))
  const last = (rows: number): number[] | null => (closes.length < rows ? null : closes.slice(-rows))
  const [sma_20, sma_200] = [20, 200].map((rows) => (last(rows) === null ? null : mean(last(rows)!)))
  const deviation = last(20) && Math.sqrt(mean(last(20)!.map((close) => (close - sma_20!) ** 2)))
  const changes = closes.slice(1).map((close, nth) => close - closes[nth]!)
  const [up, down] = [1, -1].map((sign) =>
    smoothed(
      changes.map((change) => Math.max(sign * change, 0)),
      14,
      1 / 14,
      560,
    ),
  )
  const window = at < 25 ? null : bars.slice(at - 25, at + 1)
  const since = (values: readonly number[], extreme: number): number => values.toReversed().indexOf(extreme)
  const highs = window?.map(({ high }) => high)
  const lows = window?.map(({ low }) => low)
  const aroon_up = highs === undefined ? null : (100 * (25 - since(highs, Math.max(...highs)))) / 25
  const aroon_down = lows === undefined ? null : (100 * (25 - since(lows, Math.min(...lows)))) / 25
  const [ema_12, ema_26] = [12, 26].map((rows) => smoothed(closes, rows, 2 / (rows + 1), 20 * rows)) as (
    | number
    | null
  )[]
  return {
    gain: gains.at(-1)!,
    sma_20: sma_20!,
    sma_200: sma_200!,
    upper_band: deviation === null ? null : sma_20! + 2 * deviation,
    lower_band: deviation === null ? null : sma_20! - 2 * deviation,
    rsi_14: up === null || down === null ? null : (100 * up!) / (up! + down!),
    aroon_up,
    aroon_down,
    aroon_oscillator: aroon_up === null ? null : aroon_up - aroon_down!,
    macd: ema_12 === null || ema_26 === null ? null : ema_12! - ema_26!,
    price_volume_trend:
      at === 0 ? null : gains.reduce<number>((sum, gain, nth) => sum + (gain ?? 0) * bars[nth]!.volume, 0),
  }
}

function expectClose(found: unknown, wanted: number | null, where: string): void {
  if (wanted === null) expect(found, where).toBeNull()
  else expect(Math.abs((found as number) - wanted), where).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(wanted)))
}

test('the indicators of the S&P 500, and of what follows its real prices', async () => {
  const bars = barsOf('SPX', 10)
  const rows = await rowsOf('indicators', 'SPX')
  expect(rows.map(({ time }) => String(time).slice(0, 10))).toEqual(bars.map(({ day }) => day))
  for (const [at, row] of rows.entries())
    for (const [name, wanted] of Object.entries(indicatorsAt(bars, at)))
      expectClose(row[name], wanted, `${name} ${row.time}`)
})

test('a day has the same indicators, wherever the query begins', async () => {
  const all = await rowsOf('indicators', 'SPX')
  const from = String(all.at(-30)!.time)
  expect(await rowsOf('indicators', 'SPX', `&from=${from}`)).toEqual(all.slice(-30))
})

test('outliers, hours without a quote, and when each symbol was quoted last', async () => {
  const bars = barsOf('SPX', 10)
  const gains = bars.map(({ close }, at) => (at === 0 ? null : close / bars[at - 1]!.close - 1))
  const isOutlier = (at: number): boolean => {
    const before = gains.slice(Math.max(0, at - 60), at)
    if (before.length < 60 || gains[at] === null) return false
    const known = before.filter((gain) => gain !== null)
    const deviation = Math.sqrt(known.reduce((sum, gain) => sum + (gain - mean(known)) ** 2, 0) / (known.length - 1))
    return Math.abs(gains[at]!) > 5 * deviation
  }
  const outliers = await rowsOf('quality', 'SPX', '&having=outlier:eq:true')
  expect(outliers.length).toBeGreaterThan(0)
  expect(outliers.map(({ time }) => String(time).slice(0, 10))).toEqual(
    bars.filter((_, at) => isOutlier(at)).map(({ day }) => day),
  )
  const times = quotes.filter(({ symbol }) => symbol === 'SPX').map(({ at }) => Date.parse(at))
  const silent = await rowsOf('quality', 'SPX', '&having=silent_hours:gt:90')
  expect(silent.length).toBeGreaterThan(3)
  for (const { begun, silent_hours } of silent) {
    const beginsMs = Number(begun) * 1_000
    const before = Math.max(
      ...times.filter((ms) => ms < beginsMs && Math.floor(ms / 86_400_000) < Math.floor(beginsMs / 86_400_000)),
    )
    expectClose(silent_hours, (beginsMs - before) / 3_600_000, `hours before ${begun}`)
  }
  const stale = await layers.ask('symbols?having=last_quote:lt:2020-06-01T00:00:00Z')
  const newest = [...Map.groupBy(quotes, ({ symbol }) => symbol)].map(
    ([symbol, own]) =>
      [
        symbol,
        own
          .map(({ at }) => at)
          .toSorted()
          .at(-1)!,
      ] as const,
  )
  expect(stale.map(({ symbol }) => symbol)).toEqual(
    newest
      .filter(([, at]) => at < '2020-06')
      .map(([symbol]) => symbol)
      .toSorted(),
  )
})
