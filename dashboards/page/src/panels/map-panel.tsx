/** A measure by country, or at positions, on a map of the world. A click on a country looks at it. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { filters, toggleFilter } from '../address.ts'
import { afterPaint } from '../after-paint.ts'
import { type Answer, keyOf, numberOf } from '../answer.ts'
import { Chart } from '../charts/chart.tsx'
import { pointMap } from '../charts/point-map.ts'
import type { World } from '../charts/world.ts'
import { legendTicks, type Shades, shadesOf, worldMap } from '../charts/world-map.ts'
import { isAdditive, labelOf, type Measure } from '../definition.ts'
import { formatMeasure, formatMeasureCompact } from '../format.ts'
import { useLive } from '../live.ts'
import { provenanceText } from '../provenance.tsx'
import { type Ask, ask, filterQuery, type Source } from '../question.ts'
import { range, rangeQuery } from '../range.ts'
import { Frame } from './frame.tsx'
import { MeasureChoice, useMeasure } from './measure-choice.tsx'
import { nameOf, titleMeasures, titleOf } from './ranking-panel.tsx'
import { Loading } from './states.tsx'

export interface MapProps {
  readonly source: Source
  readonly id: string
  readonly title: string
  readonly measures: readonly string[]
  /** the dimension with the country, or those with latitude and longitude */
  readonly by: readonly string[]
  /** at positions, and not by country */
  readonly points?: boolean
  readonly span?: number
}

/** names of the numbers with the position */
type Place = readonly [lat: string, lon: string]

interface Shown {
  readonly place: Place | null
  readonly by: readonly string[]
  readonly measure: Measure
}

const COUNTRIES_MAX = 300
const POINTS_MAX = 1_000
/** no higher than the map where the page is narrow */
const HEIGHT = 'min(400px, 44vw)'

export function MapPanel({ source, id, title, measures, by, points = false, span = 8 }: MapProps): JSX.Element {
  const [measure, chooseMeasure] = useMeasure(source, id, measures)
  const [country] = by
  const place = points ? placeOf(source) : null
  const kept = place?.filter((name) => !by.includes(name)) ?? []
  const windowed = source.view.window !== null
  const query = {
    dimensions: by.join(','),
    measures: [measure.name, ...kept, ...(points ? titleMeasures(source, by[0]) : [])].join(','),
    ...{ order: `-${measure.name}`, limit: points ? POINTS_MAX : COUNTRIES_MAX },
    ...filterQuery(source, points ? undefined : country),
    ...(windowed ? { at: 'latest' } : rangeQuery(range.value, source.view.paneMs)),
  }
  const known = useLive<Answer, Ask<Shown>>(ask(source, query, { by, measure, place }))
  const world = useWorld(known.value !== null)
  const controls = <MeasureChoice source={source} measures={measures} chosen={measure.name} onChoose={chooseMeasure} />
  return (
    <Frame title={title} known={known} span={span} controls={controls}>
      {(answer) =>
        world === null ? <Loading /> : <Shapes {...{ answer, source, world, title, shown: known.asked!.shown }} />
      }
    </Frame>
  )
}

interface ShapesProps {
  readonly answer: Answer
  readonly source: Source
  readonly world: World
  readonly title: string
  readonly shown: Shown
}

function Shapes({ answer, source, world, title, shown: { by, measure, place } }: ShapesProps): JSX.Element {
  const said = { measure: labelOf(measure), source: provenanceText(answer.meta, measure.name) }
  const format = (value: number): string => formatMeasure(value, measure)
  const label = `${title}: ${labelOf(measure)}. Its menu exports the same numbers as text`
  if (place !== null) {
    const points = answer.data.flatMap((row) => {
      const [lat, lon, value] = [...place, measure.name].map((name) => numberOf(row[name]))
      const name = titleOf(row, by[0], source)
      return lat == null || lon == null || value == null ? [] : [{ lat, lon, value, name }]
    })
    return <Chart kind="map" label={label} height={HEIGHT} chart={pointMap({ ...said, points, format })} />
  }
  const dimension = by[0]!
  const countries = answer.data.flatMap((row) => {
    const key = keyOf(row[dimension])
    const value = numberOf(row[measure.name]) ?? 0
    return key === null ? [] : [{ key, label: nameOf(row, dimension, source), value }]
  })
  const chosen = filters.value.get(dimension) ?? null
  const pick = (code: string): void => {
    const country = countries.find(({ key }) => world.codeOf(key) === code)
    if (country !== undefined) toggleFilter(dimension, country.key)
  }
  const chart = worldMap({ ...said, world, countries, format, byMagnitude: isAdditive(measure), chosen })
  const shades = shadesOf(
    countries.map(({ value }) => value),
    isAdditive(measure),
  )
  return (
    <>
      <Chart kind="map" label={label} height={HEIGHT} chart={chart} onPick={pick} />
      <Legend shades={shades} measure={measure} />
    </>
  )
}

function Legend({ shades, measure }: { shades: Shades; measure: Measure }): JSX.Element {
  return (
    <div class="shades">
      <div>
        <div class="ramp" />
        <div class="ticks">
          {legendTicks(shades).map(({ value, at }) => (
            <span key={value} style={{ left: `${100 * at}%`, translate: `${-100 * at}%` }}>
              {formatMeasureCompact(value, measure)}
            </span>
          ))}
        </div>
      </div>
      <span>
        {labelOf(measure)}
        {shades.isLogarithmic && ', logarithmic scale'}
      </span>
    </div>
  )
}

const PLACES = [
  ['lat', 'lon'],
  ['latitude', 'longitude'],
] as const

/** Of the dimensions, or else of the measures. */
function placeOf({ view }: Source): Place | null {
  const found = (columns: readonly { readonly name: string }[]): Place | undefined =>
    PLACES.find((place) => place.every((name) => columns.some((column) => column.name === name)))
  return found(view.dimensions) ?? found(view.measures) ?? null
}

const worldModule = () => import('../charts/world.ts')

async function loaded(): Promise<World> {
  await afterPaint()
  return (await worldModule()).loadWorld()
}

/** Numbers first: the shapes come with them, and are made into a map when there is something to draw on it. null: not yet */
function useWorld(isNeeded: boolean): World | null {
  const [world, setWorld] = useState<World | null>(null)
  useEffect(() => void worldModule().then(({ fetchWorld }) => fetchWorld().catch(() => undefined)), [])
  useEffect(() => {
    if (isNeeded) void loaded().then(setWorld)
  }, [isNeeded])
  return world
}
