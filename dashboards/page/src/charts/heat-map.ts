/** Hours of the week as squares. */
import type { EChartsCoreOption } from 'echarts/core'
import { formatNumber } from '../format.ts'
import type { Colours } from './colours.ts'
import { tooltipLook } from './look.ts'

export interface HeatMapInput {
  /** [day of the week, Monday is 0][hour of the day] */
  readonly hours: readonly (readonly number[])[]
  readonly measure: string
  readonly source: string
}

/** coloured by the square root of its value: one busy hour must not make all others look empty */
type Cell = readonly [hour: number, day: number, value: number, root: number]

const MONDAY = Date.UTC(2024, 0, 1)
const DAY = 86_400_000

function dayNames(): string[] {
  const name = new Intl.DateTimeFormat(navigator.languages, { weekday: 'short', timeZone: 'UTC' })
  return Array.from({ length: 7 }, (_, day) => name.format(MONDAY + day * DAY))
}

export function heatMap({ hours, measure, source }: HeatMapInput): (colours: Colours) => EChartsCoreOption {
  const days = dayNames()
  const cells = hours.flatMap((row, day) =>
    row.map((value, hour): Cell => [hour, day, value, Math.sqrt(Math.max(0, value))]),
  )
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 8, top: 8, bottom: 4, containLabel: true },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ value: [hour, day, value] }: { readonly value: Cell }) =>
        `${days[day]} ${hour}:00–${hour + 1}:00\n${measure}: ${formatNumber(value)}\n${source}`,
    },
    xAxis: axis(
      colours,
      Array.from({ length: 24 }, (_, hour) => String(hour)),
    ),
    yAxis: { ...axis(colours, days), inverse: true },
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
    axisLabel: { color: colours.faint },
  }
}
