/**
 * The map of the world as the page draws it: the shapes of all countries by their numeric code, and the numeric codes by the others (ISO
 * 3166-1). Lines are as fine as a screen shows them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import countries from 'i18n-iso-countries'

type Point = readonly [x: number, y: number]

interface Topology {
  readonly objects: { readonly countries: unknown }
  readonly arcs: readonly (readonly Point[])[]
  readonly transform: { readonly scale: Point; readonly translate: Point }
}

/** a pixel where the world is 1,000 pixels wide: drawing takes as long as there are points */
const STEP_DEGREES = 0.36
/** of an arc's extent: it may be a whole island, which keeps its shape */
const STEP_OF_EXTENT = 0.1

/** @param modules the folder of packages */
export function worldFile(modules: string): Buffer {
  const { objects, arcs, transform } = JSON.parse(
    readFileSync(join(modules, 'world-atlas/countries-50m.json'), 'utf8'),
  ) as Topology
  const topology = {
    type: 'Topology',
    objects: { countries: objects.countries },
    arcs: arcs.map((arc) => thinned(arc, transform.scale)),
    transform,
  }
  return Buffer.from(JSON.stringify({ topology, codes: countryCodes() }))
}

function countryCodes(): Record<string, string> {
  const codes = Object.keys(countries.getAlpha2Codes()).flatMap((alpha2): [string, string][] => {
    const numeric = countries.alpha2ToNumeric(alpha2)
    const alpha3 = countries.alpha2ToAlpha3(alpha2)
    return numeric === undefined ? [] : [alpha2, alpha3 ?? alpha2].map((code) => [code.toLowerCase(), numeric])
  })
  return Object.fromEntries(codes)
}

/** Two countries share the arc of their border, so it stays the same line for both. Points are steps from the one before. */
function thinned(arc: readonly Point[], scale: Point): readonly Point[] {
  const points = absolute(arc)
  const extent = Math.max(...([0, 1] as const).map((axis) => extentOf(points, axis) * scale[axis]))
  const step = Math.min(STEP_DEGREES, STEP_OF_EXTENT * extent)
  const degrees = (a: Point, b: Point): number => Math.hypot((a[0] - b[0]) * scale[0], (a[1] - b[1]) * scale[1])
  const kept: Point[] = [points[0]!]
  for (const point of points.slice(1, -1)) if (degrees(point, kept.at(-1)!) > step) kept.push(point)
  kept.push(points.at(-1)!)
  return kept.map(([x, y], at) => (at === 0 ? [x, y] : [x - kept[at - 1]![0], y - kept[at - 1]![1]]))
}

function absolute(arc: readonly Point[]): Point[] {
  let [x, y] = [0, 0]
  return arc.map(([dx, dy]) => {
    x += dx
    y += dy
    return [x, y]
  })
}

function extentOf(points: readonly Point[], axis: 0 | 1): number {
  const values = points.map((point) => point[axis])
  return Math.max(...values) - Math.min(...values)
}
