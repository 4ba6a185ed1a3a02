/** Hours of the week as squares. */
import type { EChartsCoreOption } from 'echarts/core'
import { formatNumber } from '../format.ts'
import type { Colours } from './colours.ts'
import { tooltipLook } from './tooltip.ts'

export interface HeatMapInput {
  /** [day of the week, Monday is 0][hour of the day] */
  readonly hours: readonly (readonly number[])[]
  readonly measure: string
  readonly source: string
}

const MONDAY = Date.UTC(2024, 0, 1)
const DAY = 86_400_000

function dayNames(): string[] {
  const name = new Intl.DateTimeFormat(navigator.languages, { weekday: 'short', timeZone: 'UTC' })
  return Array.from({ length: 7 }, (_, day) => name.format(MONDAY + day * DAY))
}

export function heatMap({ hours, measure, source }: HeatMapInput): (colours: Colours) => EChartsCoreOption {
  const days = dayNames()
  const cells = hours.flatMap((row, day) => row.map((value, hour): [number, number, number] => [hour, day, value]))
  return (colours) => ({
    textStyle: { fontFamily: 'inherit', color: colours.text },
    grid: { left: 8, right: 8, top: 8, bottom: 4, containLabel: true },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ value: [hour, day, value] }: { readonly value: readonly [number, number, number] }) =>
        `${days[day]} ${hour}:00–${hour + 1}:00\n${measure}: ${formatNumber(value)}\n${source}`,
    },
    xAxis: axis(
      colours,
      Array.from({ length: 24 }, (_, hour) => String(hour)),
    ),
    yAxis: { ...axis(colours, days), inverse: true },
    visualMap: {
      ...{ show: false, min: 0, max: Math.max(1, ...cells.map(([, , value]) => value)) },
      inRange: { color: [colours.low, colours.high] },
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
