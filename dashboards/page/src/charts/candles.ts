/** Bars of prices as candles, with lines over them, volume below, and one oscillator. */
import type { EChartsCoreOption } from 'echarts/core'
import { numberOf, type Row } from '../answer.ts'
import { formatBucket, formatCompact, formatNumber } from '../format.ts'
import type { Colours } from './colours.ts'
import { legendLook, tooltipLook } from './look.ts'

export interface CandlesInput {
  /** oldest first */
  readonly rows: readonly Row[]
  readonly grain: string
  readonly zone: string
  /** drawn over the candles: averages and bands */
  readonly over: readonly Named[]
  /** drawn below them */
  readonly below: readonly Named[]
  /** of the prices; null: all of them */
  readonly scale: Scale | null
  /** the measure with the volume, if there is one */
  readonly volume: string | null
  readonly source: string
}

/** Prices that the axis shows. */
export interface Scale {
  readonly min: number
  readonly max: number
  /** between two of its labels */
  readonly step: number
  /** bars that lie outside of it, at least in part */
  readonly beyond: number
}

interface Named {
  readonly name: string
  readonly label: string
}

const OHLC = ['open', 'close', 'low', 'high'] as const

/** what the legend shows of a line: a lower symbol would cut off the text beside it */
const LINE = 'path://M0 0h24v3H0z'
const WHISKERS = 3
/** of the axis of prices */
const PARTS = 4
/** oscillators that are shares of 100 */
const OF_HUNDRED = /^(rsi|aroon_up|aroon_down)/

/** 1, 2 or 5 times a power of ten: the next larger one */
function roundStep(length: number): number {
  const power = 10 ** Math.floor(Math.log10(length))
  return ([1, 2, 5].find((times) => times * power >= length) ?? 10) * power
}

/**
 * One wrong price, or one after years without any, would press all others into a line: bars far outside of the middle half of the lows and
 * highs are cut off. null: there are none
 * @param over names of lines over the bars, which are shown as far as they are not far outside, too
 */
export function robustScale(rows: readonly Row[], over: readonly string[]): Scale | null {
  const pricesOf = (names: readonly string[]): number[] =>
    rows.flatMap((row) => names.map((name) => numberOf(row[name]))).filter((price) => price !== null)
  const sorted = pricesOf(['low', 'high']).toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
  const reach = WHISKERS * (at(0.75) - at(0.25))
  const [least, most] = [at(0.25) - reach, at(0.75) + reach]
  const within = [...sorted, ...pricesOf(over)].filter((price) => price >= least && price <= most)
  const beyond = rows.filter((row) => (numberOf(row.high) ?? most) > most || (numberOf(row.low) ?? least) < least)
  if (beyond.length === 0 || reach === 0) return null
  const [low, high] = [Math.min(...within), Math.max(...within)]
  const step = roundStep((high - low) / PARTS)
  return { min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step, step, beyond: beyond.length }
}

/** A line ends where it leaves the scale: drawn on, it would seem to fall to the axis. */
function within(values: readonly (number | null)[], scale: Scale | null): (number | null)[] {
  return values.map((value) =>
    value === null || (scale !== null && (value < scale.min || value > scale.max)) ? null : value,
  )
}

export function candles(input: CandlesInput): (colours: Colours) => EChartsCoreOption {
  const { rows, grain, zone, over, below, volume, scale } = input
  const times = rows.map(({ time }) => formatBucket(Date.parse(String(time)), grain, zone))
  const values = (name: string): (number | null)[] => rows.map((row) => numberOf(row[name]))
  const bars = rows.map((row) => OHLC.map((name) => numberOf(row[name])))
  return (colours) => ({
    color: [...colours.series.slice(1)],
    textStyle: { fontFamily: colours.font, color: colours.text },
    legend: { ...legendLook(colours), icon: LINE, data: labels(over, below) },
    axisPointer: { link: [{ xAxisIndex: 'all' }] },
    tooltip: tooltipOf(input, times, colours),
    dataZoom: [{ type: 'inside', xAxisIndex: [0, 1, 2], zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false }],
    grid: [
      { left: 52, right: 10, top: 34, height: '46%' },
      { left: 52, right: 10, top: '62%', height: '10%' },
      { left: 52, right: 10, top: '77%', height: '16%' },
    ],
    xAxis: [0, 1, 2].map((gridIndex) => ({
      ...{ type: 'category', data: times, gridIndex, axisTick: { show: false } },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { show: gridIndex === 2, color: colours.faint, hideOverlap: true },
    })),
    yAxis: [0, 1, 2].map((gridIndex) => ({
      ...{ type: 'value', gridIndex, scale: gridIndex !== 1, splitNumber: gridIndex === 0 ? PARTS : 2 },
      ...(gridIndex === 0 && { min: scale?.min ?? null, max: scale?.max ?? null, interval: scale?.step ?? null }),
      ...(gridIndex === 2 && below.every(({ name }) => OF_HUNDRED.test(name)) && { min: 0, max: 100, interval: 50 }),
      splitLine: { show: gridIndex !== 1, lineStyle: { color: colours.line } },
      axisLabel: { show: gridIndex !== 1, color: colours.faint, formatter: (value: number) => formatCompact(value) },
    })),
    series: [
      {
        ...{ id: 'bars', name: 'Price', type: 'candlestick', data: bars, clip: true },
        itemStyle: { color: colours.up, color0: colours.down, borderColor: colours.up, borderColor0: colours.down },
      },
      ...over.map(({ name, label }) => line(name, label, within(values(name), scale), 0)),
      ...(volume === null
        ? []
        : [
            {
              ...{ id: volume, name: 'Volume', type: 'bar', xAxisIndex: 1, yAxisIndex: 1 },
              ...{ data: values(volume), itemStyle: { color: colours.faint, opacity: 0.5 } },
            },
          ]),
      ...below.map(({ name, label }) => line(name, label, values(name), 2)),
    ],
  })
}

const labels = (over: readonly Named[], below: readonly Named[]): string[] =>
  [...over, ...below].map(({ label }) => label)

function line(id: string, name: string, data: readonly (number | null)[], axis: number): object {
  return {
    ...{ id, name, type: 'line', data, showSymbol: false, xAxisIndex: axis, yAxisIndex: axis },
    lineStyle: { width: 1.4, type: /band/i.test(id) ? 'dashed' : 'solid' },
  }
}

function tooltipOf(
  { rows, over, below, volume, source }: CandlesInput,
  times: readonly string[],
  colours: Colours,
): object {
  return {
    ...tooltipLook(colours),
    trigger: 'axis',
    axisPointer: { type: 'cross' },
    formatter: ([first]: readonly { readonly dataIndex: number }[]) => {
      const row = first && rows[first.dataIndex]
      // What was pointed at may be gone with the next answer.
      if (row === undefined) return ''
      const named = [...OHLC.map((name) => ({ name, label: name })), ...over, ...below]
      const all = volume === null ? named : [...named, { name: volume, label: 'volume' }]
      const lines = all.map(({ name, label }) => `${label}  ${formatNumber(numberOf(row[name]) ?? Number.NaN)}`)
      return [times[first!.dataIndex], ...lines, source].join('\n')
    },
  }
}
