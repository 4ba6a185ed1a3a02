/** The groups of a tally's keys that a query's filters let through. */
import { dimensionTest } from './tally-filter.ts'
import type { KeyGroups } from './tally-keys.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import type { ViewTally } from './view-tally.ts'

/** key → group; `OUT`: the filters leave it out */
export interface PassedGroups extends Pick<KeyGroups, 'places' | 'count'> {
  readonly ofKey: Int32Array
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
  if (filters.length === 0) return { ofKey, places, count }
  const passed = new Int32Array(keys.count)
  for (let key = 0; key < passed.length; key++) passed[key] = passes(key) ? ofKey[key]! : OUT
  return { ofKey: passed, places, count }
}
