/** Counts per bin as bars without gaps. */
import type { EChartsCoreOption } from 'echarts/core'
import { formatMeasure, formatMeasureCompact, formatShare, type Written } from '../format.ts'
import type { Colours } from './colours.ts'
import { tooltipLook } from './look.ts'

export interface HistogramInput {
  readonly bins: readonly { readonly label: string; readonly count: number }[]
  readonly measure: string
  /** how its values are written; default: as counts */
  readonly written?: Written
  readonly source: string
}

export function histogram({ bins, measure, written, source }: HistogramInput): (colours: Colours) => EChartsCoreOption {
  const total = Math.max(
    1,
    bins.reduce((sum, { count }) => sum + count, 0),
  )
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    grid: { left: 8, right: 8, top: 12, bottom: 4, containLabel: true },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ name, value }: { readonly name: string; readonly value: number }) =>
        `${name}\n${measure}: ${formatMeasure(value, written)} (${formatShare(value / total)})\n${source}`,
    },
    xAxis: {
      ...{ type: 'category', data: bins.map(({ label }) => label), axisTick: { show: false } },
      axisLine: { lineStyle: { color: colours.line } },
      axisLabel: { color: colours.faint, hideOverlap: true },
    },
    yAxis: {
      type: 'value',
      axisLabel: { color: colours.faint, formatter: (value: number) => formatMeasureCompact(value, written) },
      splitLine: { lineStyle: { color: colours.line } },
    },
    series: [
      {
        ...{ id: 'bins', type: 'bar', barCategoryGap: '4%', data: bins.map(({ count }) => count) },
        itemStyle: { color: colours.series[0], borderRadius: [3, 3, 0, 0] },
      },
    ],
  })
}
