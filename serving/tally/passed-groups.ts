/** The groups of a tally's keys that a query's filters let through. */
import { dimensionTest } from './tally-filter.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import type { ViewTally } from './view-tally.ts'

/** Only these have rows: what is kept for each group is kept for no others. */
export interface PassedGroups {
  /** key → number of its group; `OUT`: the filters leave it out */
  readonly ofKey: Int32Array
  readonly count: number
  /** by dimension of the plan: numbers of values */
  readonly placesOf: (group: number) => number[]
  /** number of the value that a group has in a dimension of the plan */
  readonly placeOf: (dimension: number, group: number) => number
}

export const OUT = -1

/** Rows, and the groups that they are of. */
export interface TalliedRows {
  readonly rows: TallyRow[]
  readonly groups: PassedGroups
}

/** The groups of the keys that the filters let through; null: only the engine can tell. */
export function passedGroups({ plan, dimensions }: TallyPlan, { keys, shape }: ViewTally): PassedGroups | null {
  const filters = plan.query.filters ?? []
  const passes = dimensionTest(filters, shape, keys)
  if (passes === null) return null
  const { ofKey, places, count } = keys.groups(dimensions)
  if (filters.length === 0)
    return {
      ofKey,
      count,
      placesOf: (group) => places.map((own) => own[group]!),
      placeOf: (dimension, group) => places[dimension]![group]!,
    }
  const passed = new Int32Array(keys.count).fill(OUT)
  const numbers = new Int32Array(count).fill(OUT)
  const found: number[] = []
  for (let key = 0; key < passed.length; key++) {
    if (!passes(key)) continue
    const group = ofKey[key]!
    if (numbers[group] === OUT) numbers[group] = found.push(group) - 1
    passed[key] = numbers[group]!
  }
  return {
    ofKey: passed,
    count: found.length,
    placesOf: (group) => places.map((own) => own[found[group]!]!),
    placeOf: (dimension, group) => places[dimension]![found[group]!]!,
  }
}
