/** Values at positions, as circles whose area is the value. */
import type { EChartsCoreOption } from 'echarts/core'
import { formatNumber } from '../format.ts'
import type { Colours } from './colours.ts'
import { tooltipLook } from './look.ts'
import { mapOf } from './world-map.ts'

export interface Point {
  readonly lon: number
  readonly lat: number
  readonly value: number
  readonly name: string | null
}

export interface PointMapInput {
  readonly points: readonly Point[]
  readonly measure: string
  readonly format: (value: number) => string
  readonly source: string
}

/** of a circle; smaller where the map is */
const PIXELS_MAX = 34
const PIXELS_MAX_NARROW = 18
const NARROW = '(max-width: 640px)'
const PIXELS_MIN = 3

export function pointMap({ points, measure, format, source }: PointMapInput): (colours: Colours) => EChartsCoreOption {
  const largest = Math.max(Number.MIN_VALUE, ...points.map(({ value }) => value))
  const pixelsMax = matchMedia(NARROW).matches ? PIXELS_MAX_NARROW : PIXELS_MAX
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ value, name }: { readonly value: readonly [number, number, number]; readonly name: string }) =>
        `${name === '' ? '' : `${name}\n`}${formatNumber(value[1])}°, ${formatNumber(value[0])}°\n${measure}: ${format(value[2])}\n${source}`,
    },
    geo: { ...mapOf(colours), roam: false, silent: true },
    series: [
      {
        ...{ id: 'points', type: 'scatter', coordinateSystem: 'geo' },
        itemStyle: { color: colours.series[0], opacity: 0.6 },
        symbolSize: ([, , value]: readonly number[]) =>
          Math.max(PIXELS_MIN, pixelsMax * Math.sqrt(Math.max(0, value!) / largest)),
        data: points.map(({ lon, lat, value, name }) => ({ name: name ?? '', value: [lon, lat, value] })),
      },
    ],
  })
}
