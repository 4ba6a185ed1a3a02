/** Where the values of a dimension are on the map: the middle of everything that a summary knows to be there. */
import type { CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { mergedStates, type SnapshotSource } from './presented-view.ts'
import type { Place } from './presented-windows.ts'

/** The all-time view that has `dimension`, `lat` and `lon` among its measures, if there is one. */
function placeView(source: SnapshotSource, dimension: string): CompiledView | undefined {
  return [...source.served.dataset.views.values()].find(
    ({ time, measures }) =>
      time.kind === 'all-time' &&
      ['lat', 'lon', dimension].every((name) => measures.some((measure) => measure.name === name)),
  )
}

/** One place per value of the dimension; none when no view tells places. */
export async function placesOf(source: SnapshotSource, dimension: string): Promise<readonly Place[]> {
  const view = placeView(source, dimension)
  if (view === undefined) return []
  const bound = new BoundValues()
  const keys = view.dimensions.map(({ name }) => name)
  const merged = view.mergeSql(await mergedStates(source, view, bound))
  const rows = view.presentSql(`(${merged})`, keys, [dimension, 'lat', 'lon'])
  const key = quoteName(dimension)
  return source.connection.rows<{ key: string; lat: number; lon: number }>(
    `SELECT ${key}::VARCHAR AS "key", avg(lat)::DOUBLE AS lat, avg(lon)::DOUBLE AS lon FROM (${rows})
     WHERE ${key} IS NOT NULL AND lat IS NOT NULL AND lon IS NOT NULL GROUP BY ${key}`,
    bound.parameters,
  )
}
