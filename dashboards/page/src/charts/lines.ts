/** Values over time as lines, stacked areas or bars. */
import type { EChartsCoreOption } from 'echarts/core'
import { type AnswerMeta, keyOf, numberOf, type Row } from '../answer.ts'
import { formatBucket, formatCompact, formatNumber, formatShare, NONE } from '../format.ts'
import { provenanceText } from '../provenance.tsx'
import { grainMs } from '../range.ts'
import type { Colours } from './colours.ts'
import { legendLook, tooltipLook } from './look.ts'

export interface LinesInput {
  readonly rows: readonly Row[]
  readonly meta: AnswerMeta
  readonly by: string | null
  /** of the dimension; without one there is a line per measure */
  readonly lines: readonly { readonly key: string; readonly label: string }[]
  readonly measures: readonly {
    readonly name: string
    readonly label: string
    /** a bucket without events is 0, and not unknown */
    readonly zero: boolean
    readonly isPercent: boolean
  }[]
  readonly grain: string
  readonly zone: string
  /** what each line is compared with, whose values are `<measure>_previous`; null: nothing */
  readonly compared: string | null
  readonly shape: 'lines' | 'stacked' | 'bars'
  /** the values are places of a ranking: the first one is at the top */
  readonly places?: boolean
  /** how many buckets are shown; null: all */
  readonly newest: number | null
}

interface Line {
  readonly name: string
  /** of the line that this one is the earlier period of */
  readonly of: number | null
  readonly points: readonly (readonly [ms: number, value: number | null])[]
}

export function linesChart(input: LinesInput): (colours: Colours) => EChartsCoreOption {
  const lines = [...linesOf(input), ...earlierLines(input)]
  const many = lines.length > 1
  const isShare = input.measures[0]!.isPercent
  return (colours) => ({
    // Days of UTC begin when they do there, wherever the reader is.
    useUTC: input.zone === 'UTC',
    color: [...colours.series],
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 12, top: many ? 34 : 12, bottom: 4, containLabel: true },
    legend: { ...legendLook(colours), show: many, icon: 'circle', itemWidth: 9 },
    brush: { toolbox: [], xAxisIndex: 0, brushStyle: { color: 'rgba(90,150,230,0.18)', borderWidth: 0 } },
    tooltip: tooltipOf(input, colours),
    xAxis: {
      type: 'time',
      // A shorter step would show the same label again.
      minInterval: grainMs(input.grain) ?? undefined,
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: {
        color: colours.faint,
        hideOverlap: true,
        formatter: (ms: number) => formatBucket(ms, input.grain, input.zone),
      },
    },
    yAxis: {
      type: 'value',
      scale: !input.measures[0]!.zero,
      splitNumber: 4,
      ...(input.places === true && { inverse: true, min: 1, minInterval: 1 }),
      axisLabel: { color: colours.faint, formatter: isShare ? formatShare : formatCompact },
      splitLine: { lineStyle: { color: colours.line } },
    },
    series: lines.map(({ name, points, of }) =>
      of === null
        ? {
            id: name,
            name,
            type: input.shape === 'bars' ? 'bar' : 'line',
            ...(input.shape !== 'lines' && { stack: 'all' }),
            ...(areaOf(input, lines.filter(({ of }) => of === null).length) && {
              areaStyle: { opacity: input.shape === 'stacked' ? 0.5 : 0.12 },
            }),
            showSymbol: points.length < 3 || input.places === true,
            symbolSize: 6,
            lineStyle: { width: 2 },
            emphasis: { focus: 'series' },
            data: points,
          }
        : earlierSeries(name, points, colours.series[of % colours.series.length]!),
    ),
  })
}

/** An area says how much there is, so it begins at 0. */
const areaOf = ({ shape, measures }: LinesInput, lines: number): boolean =>
  shape === 'stacked' || (shape === 'lines' && lines === 1 && measures[0]!.zero)

/** Text, not HTML: inline styles are not allowed on the page. */
function tooltipOf({ grain, zone, meta, measures }: LinesInput, colours: Colours): object {
  interface Point {
    readonly marker: string
    readonly seriesName: string
    readonly value: readonly [number, number | null]
  }
  return {
    trigger: 'axis',
    ...tooltipLook(colours),
    formatter: (points: readonly Point[]) => {
      const lines = points
        .toSorted((a, b) => (b.value[1] ?? 0) - (a.value[1] ?? 0))
        .map(
          ({ marker, seriesName, value }) =>
            `${marker} ${seriesName}  ${value[1] === null ? NONE : (measures[0]!.isPercent ? formatShare : formatNumber)(value[1])}`,
        )
      const source = provenanceText(meta, measures.length === 1 ? measures[0]!.name : undefined)
      return [formatBucket(points[0]!.value[0], grain, zone), ...lines, source].join('\n')
    },
  }
}

function linesOf({ rows, by, lines, measures, grain, newest }: LinesInput): readonly Line[] {
  const shown = shownTimes(rows, grain, newest, measures[0]!.zero)
  const line = (name: string, own: readonly Row[], { name: measure, zero }: LinesInput['measures'][number]): Line => {
    const values = new Map(own.map((row) => [Date.parse(String(row.time)), numberOf(row[measure])]))
    return { name, of: null, points: shown.map((ms) => [ms, values.get(ms) ?? (zero ? 0 : null)]) }
  }
  if (by === null) return measures.map((measure) => line(measure.label, rows, measure))
  return lines.map(({ key, label }) => {
    const own = rows.filter((row) => keyOf(row[by]) === key)
    return line(label, own, measures[0]!)
  })
}

/** Lighter, and never stacked on what it is compared with. */
function earlierSeries(name: string, data: Line['points'], color: string): object {
  return {
    ...{ id: name, name, type: 'line', showSymbol: data.length < 3, data, z: 1 },
    itemStyle: { color, opacity: 0.55 },
    lineStyle: { color, width: 1.5, type: 'dashed', opacity: 0.55 },
  }
}

/** The same lines with the values of the earlier period, at the times of the chosen one. */
function earlierLines(input: LinesInput): readonly Line[] {
  if (input.compared === null) return []
  const measures = input.measures.map((measure) => ({ ...measure, name: `${measure.name}_previous` }))
  return linesOf({ ...input, measures }).map((line, of) => ({ ...line, of, name: `${line.name}, ${input.compared}` }))
}

/** of equal length in every time zone; a day is not, where clocks change */
const REGULAR = /^(second|minute|hour)$|^\d+/
const FILLED_MAX = 2_000

/** The newest buckets up to the last one. Where nothing happened a count is 0: buckets without events are shown, too. */
function shownTimes(rows: readonly Row[], grain: string, newest: number | null, zero: boolean): readonly number[] {
  const times = [...new Set(rows.map(({ time }) => Date.parse(String(time))))].toSorted((a, b) => a - b)
  const stepMs = grainMs(grain)
  const last = times.at(-1)
  if (last === undefined || stepMs === null) return times
  const kept = newest === null ? times : times.filter((ms) => ms > last - newest * stepMs)
  const count = Math.round((last - kept[0]!) / stepMs) + 1
  if (!zero || !REGULAR.test(grain) || count > FILLED_MAX) return kept
  return Array.from({ length: count }, (_, index) => kept[0]! + index * stepMs)
}
