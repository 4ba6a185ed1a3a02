/** Values over time as lines, stacked areas or bars. */
import type { EChartsCoreOption } from 'echarts/core'
import { type AnswerMeta, keyOf, numberOf, type Row } from '../answer.ts'
import { formatBucket, formatMeasure, formatMeasureCompact, NONE, type Written } from '../format.ts'
import { provenanceText } from '../provenance.tsx'
import { grainMs } from '../range.ts'
import { FEW_BUCKETS, isFilling, shownBuckets } from './buckets.ts'
import type { Colours } from './colours.ts'
import { legendLook, tooltipLook } from './look.ts'
import { distinctNames, type NamedLine } from './named-lines.ts'

export interface LinesInput {
  readonly rows: readonly Row[]
  readonly meta: AnswerMeta
  readonly by: string | null
  /** of the dimension; without one there is a line per measure */
  readonly lines: readonly NamedLine[]
  readonly measures: readonly {
    readonly name: string
    readonly label: string
    /** a bucket without events is 0, and not unknown */
    readonly zero: boolean
    /** how its values are written; null: as plain numbers */
    readonly written: Written | null
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
  /** the first bucket that is shown begins here or later, epoch ms; null: whichever is the first */
  readonly fromMs?: number | null
}

type Point = readonly [ms: number, value: number | null]

interface Line {
  readonly name: string
  /** of the line that this one is the earlier period of */
  readonly of: number | null
  readonly points: readonly Point[]
}

/** so wide is a bar at most, in pixels */
const BAR_WIDTH_MAX = 64
const FILLING_OPACITY = 0.45
/** of few buckets */
const LABELLED_BARS_MAX = 6
/** what is drawn of a line while its last bucket fills */
const FILLING = 'filling '

export function linesChart(input: LinesInput): (colours: Colours) => EChartsCoreOption {
  const lines = [...linesOf(input), ...earlierLines(input)]
  const many = lines.length > 1
  const written = input.measures[0]!.written ?? undefined
  const times = lines[0]?.points.map(([ms]) => ms) ?? []
  const stepMs = grainMs(input.grain)
  const few = times.length > 0 && times.length <= FEW_BUCKETS && stepMs !== null && input.places !== true
  const fills = isFilling(times.at(-1), stepMs, Date.now())
  const drawn: Drawn = { input, few, filling: fills && !few && input.places !== true, lines }
  return (colours) => ({
    // Days of UTC begin when they do there, wherever the reader is.
    useUTC: input.zone === 'UTC',
    color: [...colours.series],
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 12, top: many ? 34 : 12, bottom: 4, containLabel: true },
    legend: { ...legendLook(colours), show: many, icon: 'circle', itemWidth: 9, data: lines.map(({ name }) => name) },
    brush: { toolbox: [], xAxisIndex: 0, brushStyle: { color: 'rgba(90,150,230,0.18)', borderWidth: 0 } },
    tooltip: tooltipOf(input, fills ? times.at(-1)! : null, colours),
    xAxis: {
      type: 'time',
      // A shorter step would show the same label again.
      minInterval: stepMs ?? undefined,
      // Options are merged: what is not set any more must be null.
      min: few ? times[0]! - stepMs / 2 : null,
      max: few ? times.at(-1)! + stepMs / 2 : null,
      axisLine: { lineStyle: { color: colours.line } },
      axisTick: { show: false },
      axisLabel: {
        color: colours.faint,
        hideOverlap: true,
        customValues: few ? times : null,
        formatter: (ms: number) =>
          `${formatBucket(ms, input.grain, input.zone)}${few && fills && ms === times.at(-1) ? ', so far' : ''}`,
      },
    },
    yAxis: {
      type: 'value',
      // The length of a bar says how much there is.
      scale: !input.measures[0]!.zero && !few && input.shape !== 'bars',
      splitNumber: 4,
      ...(input.places === true && { inverse: true, min: 1, minInterval: 1 }),
      axisLabel: { color: colours.faint, formatter: (value: number) => formatMeasureCompact(value, written) },
      splitLine: { lineStyle: { color: colours.line } },
    },
    series: lines.flatMap((line, at) => seriesOf(line, at, drawn, colours)),
  })
}

interface Drawn {
  readonly input: LinesInput
  readonly lines: readonly Line[]
  /** there are so few buckets that all lines are drawn as bars */
  readonly few: boolean
  /** the last bucket is drawn as one that will grow */
  readonly filling: boolean
}

/** Up to two parts of a line: what is complete, and what leads to the bucket that is filling. */
function seriesOf(line: Line, at: number, drawn: Drawn, colours: Colours): readonly object[] {
  const { input, few, filling } = drawn
  const { name, points, of } = line
  if (of !== null) return [earlierSeries(name, points, colours.series[of % colours.series.length]!)]
  const stack = input.shape !== 'lines'
  if (few || input.shape === 'bars') return [barsOf(line, drawn, colours)]
  const hasArea = areaOf(input, drawn.lines.filter(({ of }) => of === null).length)
  const opacity = input.shape === 'stacked' ? 0.5 : 0.12
  const color = colours.series[at % colours.series.length]!
  const part = (id: string, data: readonly Point[], isFilling: boolean): object => ({
    ...{ id, name, type: 'line', data, symbolSize: 6, itemStyle: { color }, emphasis: { focus: 'series' } },
    ...(stack && { stack: isFilling ? 'filling' : 'all' }),
    ...(hasArea && { areaStyle: { opacity: isFilling ? opacity * FILLING_OPACITY : opacity } }),
    showSymbol: input.places === true || data.length === 1,
    lineStyle: { width: 2, color, ...(isFilling && { type: 'dashed' }) },
  })
  if (!filling) return [part(name, points, false)]
  return [part(name, points.slice(0, -1), false), part(`${FILLING}${name}`, points.slice(-2), true)]
}

function barsOf({ name, points }: Line, { input, lines, few, filling }: Drawn, colours: Colours): object {
  const data = points.map((value, at) =>
    filling && at === points.length - 1 ? { value, itemStyle: { opacity: FILLING_OPACITY } } : value,
  )
  const stack = input.shape !== 'lines'
  const written = input.measures[0]!.written ?? undefined
  const label = {
    ...{ show: true, position: 'top', color: colours.faint },
    formatter: ({ value: [, value] }: { value: Point }) => (value === null ? '' : formatMeasureCompact(value, written)),
  }
  return {
    ...{ id: name, name, type: 'bar', data, barMaxWidth: BAR_WIDTH_MAX, emphasis: { focus: 'series' } },
    ...(stack && { stack: 'all' }),
    // Where they are put on each other, or are narrow, their labels would be, too.
    ...(few && (!stack || lines.length === 1) && lines.length * points.length <= LABELLED_BARS_MAX && { label }),
  }
}

/** An area says how much there is, so it begins at 0. */
const areaOf = ({ shape, measures }: LinesInput, lines: number): boolean =>
  shape === 'stacked' || (shape === 'lines' && lines === 1 && measures[0]!.zero)

/** Text, not HTML: inline styles are not allowed on the page. */
function tooltipOf({ grain, zone, meta, measures }: LinesInput, fillingMs: number | null, colours: Colours): object {
  interface Shown {
    readonly marker: string
    readonly seriesId: string
    readonly seriesName: string
    readonly value: Point
  }
  return {
    trigger: 'axis',
    ...tooltipLook(colours),
    formatter: (pointed: readonly Partial<Shown>[]) => {
      // What was pointed at may be gone with the next answer.
      const points = pointed.filter((point): point is Shown => point.value !== undefined)
      if (points.length === 0) return ''
      const [ms] = points[0]!.value
      const lines = points
        // The part that leads to the filling bucket begins where the other one ends.
        .filter(({ seriesId }) => !seriesId.startsWith(FILLING) || ms === fillingMs)
        .toSorted((a, b) => (b.value[1] ?? 0) - (a.value[1] ?? 0))
        .map(
          ({ marker, seriesName, value }) =>
            `${marker} ${seriesName}  ${value[1] === null ? NONE : formatMeasure(value[1], measures[0]!.written ?? undefined)}`,
        )
      const source = provenanceText(meta, measures.length === 1 ? measures[0]!.name : undefined)
      const bucket = `${formatBucket(ms, grain, zone)}${ms === fillingMs ? ', still filling' : ''}`
      return [bucket, ...lines, source].join('\n')
    },
  }
}

function linesOf({ rows, by, lines, measures, grain, newest, fromMs = null }: LinesInput): readonly Line[] {
  const times = rows.map(({ time }) => Date.parse(String(time)))
  const shown = shownBuckets({ times, grain, stepMs: grainMs(grain), newest, fromMs, zero: measures[0]!.zero })
  const line = (name: string, own: readonly Row[], { name: measure, zero }: LinesInput['measures'][number]): Line => {
    const values = new Map(own.map((row) => [Date.parse(String(row.time)), numberOf(row[measure])]))
    return { name, of: null, points: shown.map((ms) => [ms, values.get(ms) ?? (zero ? 0 : null)]) }
  }
  if (by === null) return measures.map((measure) => line(measure.label, rows, measure))
  return distinctNames(lines).map(({ key, label }) => {
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
