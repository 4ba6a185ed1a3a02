/** What differs between two definitions of a view: which of its measures mean the same in both. */

import { storedAccept } from './definition-limits.ts'
import type { DatasetDefinition, MeasureDefinition, ViewDefinition } from './definition-parts.ts'

export interface ViewChanges {
  /** places whose change concerns every row and measure: where, dimensions, column 'price' … */
  readonly rows: readonly string[]
  /** measures of the earlier definition that are computed in another way now, or are not there any more */
  readonly measures: readonly string[]
  /** Nothing of the following is stored, but answers by the earlier definition use it as it was. */
  readonly window: boolean
  readonly rank: boolean
  /** lookups, with their keys in both definitions */
  readonly lookups: readonly { readonly name: string; readonly keys: readonly string[] }[]
}

/**
 * @param columns those that the earlier view reads and whose values are made in another way now
 * @example
 * // before: { measures: { n: count(), revenue: sum('price') } }; now: { measures: { n: count(), revenue: sum('net') } }
 * viewChanges(before, now, 'by_shop', []) // { rows: [], measures: ['revenue'], window: false, rank: false, lookups: [] }
 */
export function viewChanges(
  before: DatasetDefinition,
  now: DatasetDefinition,
  view: string,
  columns: readonly string[],
): ViewChanges {
  const [earlier, current] = [before.views[view]!, now.views[view]]
  if (current === undefined)
    return { rows: ['view'], measures: Object.keys(earlier.measures), window: false, rank: false, lookups: [] }
  const differs = (of: (view: ViewDefinition) => unknown): boolean => !isSame(of(earlier), of(current))
  const rows = [
    ...(before.time === now.time ? [] : ['event time']),
    ...(isSame(storedAccept(before), storedAccept(now)) ? [] : ['accept']),
    ...(differs(({ where }) => where) ? ['where'] : []),
    ...(differs(({ unnest }) => Object.entries(unnest ?? {})) ? ['unnest'] : []),
    ...(differs(({ dimensions }) => dimensions) ? ['dimensions'] : []),
    ...(differs(({ time, window }) => [time, window?.every]) ? ['time'] : []),
    ...columns.map((name) => `column '${name}'`),
  ]
  const measures = Object.entries(earlier.measures)
    .filter(([name, measure]) => !isSame(stored(measure), stored(current.measures[name])))
    .map(([name]) => name)
  return {
    rows,
    measures,
    window: differs(({ window }) => window),
    rank: differs(({ rank }) => rank),
    lookups: lookupChanges(earlier.enrich ?? {}, current.enrich ?? {}),
  }
}

type Lookups = NonNullable<ViewDefinition['enrich']>

function lookupChanges(earlier: Lookups, current: Lookups): ViewChanges['lookups'] {
  return [...new Set([...Object.keys(earlier), ...Object.keys(current)])]
    .map((name) => ({ name, both: [earlier[name], current[name]] }))
    .filter(({ both: [before, now] }) => !isSame(before ?? null, now ?? null))
    .map(({ name, both }) => ({ name, keys: both.flatMap((lookup) => (lookup === undefined ? [] : [lookup.key])) }))
}

function stored(measure: MeasureDefinition | undefined): unknown {
  if (measure === undefined) return null
  const { label: _label, description: _description, unit: _unit, format: _format, ...computed } = measure
  return computed
}

/** Equal as data, whatever the order of members. */
function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a, sorted) === JSON.stringify(b, sorted)
}

function sorted(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
