/** Merges the rows of a tally into groups: buckets of time and combinations of dimension values. */
import type { AnswerRange } from '../answers/answer-meta.ts'
import { dimensionTest } from './tally-filter.ts'
import type { KeyGroups } from './tally-keys.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import { added } from './tally-rows.ts'
import type { ViewTally } from './view-tally.ts'

/** key → group; `OUT`: the filters leave it out */
interface PassedGroups extends Pick<KeyGroups, 'places' | 'count'> {
  readonly ofKey: Int32Array
}

const OUT = -1

interface Sums {
  readonly seen: Uint8Array
  readonly sums: readonly { readonly measure: number; readonly of: Float64Array }[]
}

/** The merged rows in the range that the filters and `having` let through; null: only the engine can tell. */
export function talliedRows(plan: TallyPlan, tally: ViewTally, range: AnswerRange): TallyRow[] | null {
  const groups = passedGroups(plan, tally)
  if (groups === null) return null
  const { places } = groups
  const rows: TallyRow[] = []
  for (const [bucket, { seen, sums }] of summed(plan, tally, range, groups)) {
    for (let group = 0; group < seen.length; group++) {
      if (seen[group] === 0) continue
      const all = new Array<number>(tally.shape.measures.length).fill(Number.NaN)
      for (const { measure, of } of sums) all[measure] = of[group]!
      const row = { bucket, places: places.map((own) => own[group]!), sums: all }
      if (plan.holds(row)) rows.push(row)
    }
  }
  return rows
}

/** The groups of the keys that the filters let through; null: only the engine can tell. */
function passedGroups({ plan, dimensions }: TallyPlan, { keys, shape }: ViewTally): PassedGroups | null {
  const filters = plan.query.filters ?? []
  const passes = dimensionTest(filters, shape, keys)
  if (passes === null) return null
  const { ofKey, places, count } = keys.groups(dimensions)
  if (filters.length === 0) return { ofKey, places, count }
  const passed = new Int32Array(keys.count)
  for (let key = 0; key < passed.length; key++) passed[key] = passes(key) ? ofKey[key]! : OUT
  return { ofKey: passed, places, count }
}

function summed(
  { bucketMs, needed }: TallyPlan,
  tally: ViewTally,
  range: AnswerRange,
  groups: PassedGroups,
): ReadonlyMap<number, Sums> {
  if (bucketMs === null) {
    const merged = tally.merged(range)
    const all = emptySums(groups, needed)
    addRows(all, groups, merged.keys, merged.keys.length, (measure) => merged.sums(measure))
    return new Map([[0, all]])
  }
  const buckets = new Map<number, Sums>()
  for (const [pane, { keys, values, count }] of tally.panesWithin(range)) {
    const bucket = Math.floor(pane / bucketMs) * bucketMs
    let own = buckets.get(bucket)
    if (own === undefined) {
      own = emptySums(groups, needed)
      buckets.set(bucket, own)
    }
    addRows(own, groups, keys, count, (measure) => values[measure]!)
  }
  return buckets
}

function emptySums({ count }: PassedGroups, needed: readonly number[]): Sums {
  const sums = needed.map((measure) => ({ measure, of: new Float64Array(count).fill(Number.NaN) }))
  return { seen: new Uint8Array(count), sums }
}

function addRows(
  { seen, sums }: Sums,
  { ofKey }: PassedGroups,
  keys: Int32Array,
  count: number,
  valuesOf: (measure: number) => Float64Array,
): void {
  markSeen(seen, ofKey, keys, count)
  for (const { measure, of } of sums) addUp(of, ofKey, keys, valuesOf(measure), count)
}

function markSeen(seen: Uint8Array, ofKey: Int32Array, keys: Int32Array, count: number): void {
  for (let row = 0; row < count; row++) {
    const group = ofKey[keys[row]!]!
    if (group !== OUT) seen[group] = 1
  }
}

function addUp(sums: Float64Array, ofKey: Int32Array, keys: Int32Array, values: Float64Array, count: number): void {
  for (let row = 0; row < count; row++) {
    const group = ofKey[keys[row]!]!
    if (group !== OUT) sums[group] = added(sums[group]!, values[row]!)
  }
}
