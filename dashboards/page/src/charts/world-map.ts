/** Values by country as colours of the map; countries too small to be seen are points. */
import type { EChartsCoreOption } from 'echarts/core'
import type { Colours } from './colours.ts'
import { tooltipLook } from './look.ts'
import type { World } from './world.ts'

export interface Country {
  /** as the filter names it */
  readonly key: string
  readonly label: string
  readonly value: number
}

export interface WorldMapInput {
  readonly world: World
  readonly countries: readonly Country[]
  readonly measure: string
  readonly format: (value: number) => string
  /** counts and sums, of which one country often has most: their orders of magnitude are coloured */
  readonly byMagnitude: boolean
  readonly source: string
  /** keys that are looked at; null: all */
  readonly chosen: readonly string[] | null
}

/** Without Antarctica. */
const BOUNDS = [
  [-169, 78],
  [179, -57],
]

export function worldMap({
  world,
  countries,
  measure,
  format,
  byMagnitude,
  source,
  chosen,
}: WorldMapInput): (colours: Colours) => EChartsCoreOption {
  const placed = countries.flatMap((country) => {
    const code = world.codeOf(country.key)
    return code === null ? [] : [{ ...country, code }]
  })
  const known = new Map(placed.map((country) => [country.code, country]))
  const values = placed.map(({ value }) => value)
  const [least, most] = [Math.min(0, ...values), Math.max(Number.MIN_VALUE, ...values)]
  const shade = (value: number): number => (byMagnitude && least === 0 ? Math.log1p(value) : value)
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ name }: { readonly name: string }) => {
        const country = known.get(name)
        return country === undefined ? '' : `${country.label}\n${measure}: ${format(country.value)}\n${source}`
      },
    },
    visualMap: {
      ...{ type: 'continuous', min: shade(least), max: shade(most), left: 4, bottom: 4, itemHeight: 90, itemWidth: 9 },
      inRange: { color: [colours.low, colours.high] },
      textStyle: { color: colours.faint, fontSize: 11 },
      text: [format(most), format(least)],
      seriesIndex: [0, 1],
    },
    geo: mapOf(colours),
    series: [
      {
        ...{ id: 'countries', type: 'map', geoIndex: 0 },
        data: placed.map(({ code, key, value }) => ({
          ...{ name: code, value: shade(value) },
          ...(chosen?.includes(key) && { itemStyle: { borderColor: colours.series[1], borderWidth: 2 } }),
        })),
      },
      {
        ...{ id: 'small', type: 'scatter', coordinateSystem: 'geo', symbolSize: 8 },
        itemStyle: { borderColor: colours.text, borderWidth: 0.7 },
        data: placed.flatMap(({ code, value }) => {
          const place = world.small.get(code)
          return place === undefined ? [] : [{ name: code, value: [...place, shade(value)] }]
        }),
      },
    ],
  })
}

/** The map itself, without values. */
export function mapOf(colours: Colours): object {
  return {
    ...{ map: 'world', boundingCoords: BOUNDS, left: 0, right: 0, top: 0, bottom: 0, roam: false },
    ...{ aspectScale: 0.82, preserveAspect: 'contain' },
    itemStyle: { areaColor: colours.land, borderColor: colours.surface, borderWidth: 0.6 },
    emphasis: { label: { show: false }, itemStyle: { areaColor: colours.series[1] } },
    select: { disabled: true },
  }
}
