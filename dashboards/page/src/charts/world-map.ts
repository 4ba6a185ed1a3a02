/** Values by country as colours of the map; countries too small to be seen are points. */

import type { EChartsCoreOption } from 'echarts/core'
import type { Key } from '../answer.ts'
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
  readonly chosen: readonly Key[] | null
}

/** Without Antarctica. */
const BOUNDS = [
  [-169, 78],
  [179, -57],
]

/** From which value to which the colours go, and how far along them a value is. */
export interface Shades {
  readonly least: number
  readonly most: number
  /** by the orders of magnitude, and not by the values */
  readonly isLogarithmic: boolean
  readonly shade: (value: number) => number
}

export function shadesOf(values: readonly number[], byMagnitude: boolean): Shades {
  const [least, most] = [Math.min(0, ...values), Math.max(Number.MIN_VALUE, ...values)]
  const isLogarithmic = byMagnitude && least === 0
  return { least, most, isLogarithmic, shade: isLogarithmic ? Math.log1p : (value) => value }
}

const TICKS_MAX = 5

/** What the legend labels, and where: shares of its length from the least to the most. */
export function legendTicks({ least, most, isLogarithmic, shade }: Shades): readonly { value: number; at: number }[] {
  const powers = isLogarithmic
    ? Array.from({ length: Math.max(0, Math.ceil(Math.log10(most))) }, (_, power) => 10 ** power)
    : []
  const step = Math.ceil(powers.length / TICKS_MAX)
  // The last one would stand in the label of the most.
  const between = powers.filter((value, power) => power % step === 0 && shade(value) < shade(most) * 0.85)
  const length = shade(most) - shade(least)
  return [least, ...between, most].map((value) => ({ value, at: (shade(value) - shade(least)) / length }))
}

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
  const { least, most, shade } = shadesOf(values, byMagnitude)
  return (colours) => ({
    textStyle: { fontFamily: colours.font, color: colours.text },
    tooltip: {
      ...tooltipLook(colours),
      formatter: ({ name }: { readonly name: string }) => {
        const country = known.get(name)
        return country === undefined ? '' : `${country.label}\n${measure}: ${format(country.value)}\n${source}`
      },
    },
    // The page has a legend of its own, which says what the scale is.
    visualMap: {
      ...{ type: 'continuous', show: false, min: shade(least), max: shade(most), seriesIndex: [0, 1] },
      inRange: { color: [colours.low, colours.high] },
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
