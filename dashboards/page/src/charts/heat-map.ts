/** Hours of the week as squares. */
import type { EChartsCoreOption } from 'echarts/core'
import { labelOf, type Measure } from '../definition.ts'
import { formatMeasure } from '../format.ts'
import type { Colours } from './colours.ts'
import { tooltipLook } from './look.ts'

export interface HeatMapInput {
  /** [day of the week, Monday is 0][hour of the day] */
  readonly hours: readonly (readonly number[])[]
  /** the rows: days of the week */
  readonly days: readonly number[]
  readonly measure: Measure
  readonly source: string
}

/** coloured by the square root of its value: one busy hour must not make all others look empty */
type Cell = readonly [hour: number, row: number, value: number, root: number]

const MONDAY = Date.UTC(2024, 0, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR

function dayNames(): string[] {
  const name = new Intl.DateTimeFormat(navigator.languages, { weekday: 'short', timeZone: 'UTC' })
  return Array.from({ length: 7 }, (_, day) => name.format(MONDAY + day * DAY))
}

function clock(minute: '2-digit' | undefined): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(navigator.languages, { hour: 'numeric', minute, timeZone: 'UTC' })
}

/** Of 0 … 23, as clocks of the reader show it. */
export function hourName(hour: number): string {
  return hours.format(MONDAY + hour * HOUR)
}

const hours = clock(undefined)
const exactHours = clock('2-digit')

export function heatMap({ hours: sums, days, measure, source }: HeatMapInput): (colours: Colours) => EChartsCoreOption {
  const names = dayNames()
  const cells = days.flatMap((day, row) =>
    sums[day]!.map((value, hour): Cell => [hour, row, value, Math.sqrt(Math.max(0, value))]),
  )
  const hourText = (hour: number): string => exactHours.formatRange(MONDAY + hour * HOUR, MONDAY + (hour + 1) * HOUR)
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 8, top: 8, bottom: 4, containLabel: true },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ value: [hour, row, value] }: { readonly value: Cell }) =>
        `${names[days[row]!]}, ${hourText(hour)}\n${labelOf(measure)}: ${formatMeasure(value, measure)}\n${source}`,
    },
    xAxis: axis(
      colours,
      Array.from({ length: 24 }, (_, hour) => hourName(hour)),
    ),
    yAxis: {
      ...axis(
        colours,
        days.map((day) => names[day]!),
      ),
      inverse: true,
    },
    visualMap: {
      ...{ show: false, dimension: 3, min: 0, max: Math.max(1, ...cells.map(([, , , root]) => root)) },
      inRange: { color: [colours.land, colours.low, colours.high] },
    },
    series: [
      {
        id: 'hours',
        type: 'heatmap',
        data: cells,
        itemStyle: { borderColor: colours.surface, borderWidth: 2, borderRadius: 3 },
      },
    ],
  })
}

function axis(colours: Colours, data: readonly string[]): object {
  return {
    ...{ type: 'category', data, axisLine: { show: false }, axisTick: { show: false } },
    axisLabel: { color: colours.faint, hideOverlap: true },
  }
}
