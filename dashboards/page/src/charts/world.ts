/** The shapes of the countries, fetched with the first map. */
import { feature } from 'topojson-client'
import type { GeometryCollection, Topology } from 'topojson-specification'

declare const WORLD_FILE: string

export interface World {
  /** numeric code of a country by any of its codes; null if it is not one */
  codeOf(country: string): string | null
  /** numeric code → middle of a country that is too small to be seen */
  readonly small: ReadonlyMap<string, readonly [lon: number, lat: number]>
}

type Place = readonly [lon: number, lat: number]
interface Shape {
  readonly coordinates: unknown
}

/** degrees; a smaller country is shown as a point, too */
const SMALL_DEGREES = 1.2

let loaded: Promise<World> | null = null

/** Loads the shapes once, and registers them as the map `world`. */
export function loadWorld(): Promise<World> {
  loaded ??= load().catch((error: unknown) => {
    loaded = null
    throw error
  })
  return loaded
}

interface WorldFile {
  readonly topology: Topology<{ countries: GeometryCollection }>
  readonly codes: Readonly<Record<string, string>>
}

let response: Promise<Response> | null = null

/** Begins to fetch the shapes; they are read when they are needed. */
export function fetchWorld(): Promise<Response> {
  response ??= fetch(WORLD_FILE, { priority: 'low' })
  return response
}

async function readWorld(): Promise<WorldFile> {
  const own = fetchWorld()
  response = null
  return (await (await own).json()) as WorldFile
}

async function load(): Promise<World> {
  const [{ registerMap }, { topology, codes }] = await Promise.all([import('./echarts-map.ts'), readWorld()])
  const shapes = feature(topology, topology.objects.countries)
  const named = shapes.features.map((one) => ({
    ...one,
    geometry: { ...one.geometry, coordinates: unwrapped((one.geometry as unknown as Shape).coordinates) },
    properties: { name: String(one.id) },
  }))
  registerMap('world', { ...shapes, features: named } as Parameters<typeof registerMap>[1])
  // Some islands have the code of the country that they belong to, and are no country.
  const small = [...Map.groupBy(named, ({ properties }) => properties.name)].flatMap(
    ([code, parts]): [string, Place][] => {
      const middles = parts.map(({ geometry }) => middleOfSmall(geometry as unknown as Shape))
      return middles[0] == null || middles.includes(null) ? [] : [[code, middles[0]]]
    },
  )
  const codeOf = (country: string): string | null =>
    codes[country.toLowerCase()] ?? (/^\d{3}$/.test(country) ? country : null)
  return { codeOf, small: new Map(small) }
}

/** An island across the 180th meridian stays in one piece, at the right edge, and is not stretched over the whole map. */
function unwrapped(coordinates: unknown): unknown {
  const parts = coordinates as unknown[][]
  if (typeof parts[0]?.[0] !== 'number') return parts.map(unwrapped)
  const ring = parts as unknown as Place[]
  const jumps = ring.some(([lon], index) => index > 0 && Math.abs(lon - ring[index - 1]![0]) > 180)
  return jumps ? ring.map(([lon, lat]) => [lon < 0 ? lon + 360 : lon, lat]) : ring
}

function middleOfSmall({ coordinates }: Shape): Place | null {
  const places = (coordinates as unknown[]).flat(3) as number[]
  const [lons, lats] = [0, 1].map((rest) => places.filter((_, index) => index % 2 === rest))
  const extent = (values: number[]): [number, number] => [Math.min(...values), Math.max(...values)]
  const [west, east] = extent(lons!)
  const [south, north] = extent(lats!)
  const isSmall = east - west < SMALL_DEGREES && north - south < SMALL_DEGREES
  return isSmall ? [(west + east) / 2, (south + north) / 2] : null
}
