/**
 * Excludes groups that cannot be shown: enough others precede them by the first measure of the order, among all groups or among those of the
 * same `per` values.
 */
import { rowsShownMax } from '../answers/merged-sql.ts'
import { nthBest } from './nth-best.ts'
import type { PassedGroups } from './passed-groups.ts'
import type { TallyColumns } from './tally-fields.ts'
import type { TallyPlan } from './tally-plan.ts'
import { measureValue } from './tally-shape.ts'
import type { ViewTally } from './view-tally.ts'

/** @returns whether a group can be among the first; of those that cannot, no row is made */
export function wantedGroups(
  plan: TallyPlan,
  { shape }: ViewTally,
  groups: PassedGroups,
  seen: Uint8Array,
  columns: TallyColumns,
): (group: number) => boolean {
  const [first] = plan.order
  const isRanked = first?.part.kind === 'measure' && shape.measures[first.part.index]!.set === null
  if (!isRanked || plan.bucketMs !== null || plan.restricts) return () => true
  const most = plan.per.length === 0 ? rowsShownMax(plan.plan) + 1 : plan.plan.limit
  if (most > seen.length / 2) return () => true
  const measure = shape.measures[first.part.index]!
  const values = new Float64Array(seen.length).fill(Number.NaN)
  for (let group = 0; group < values.length; group++)
    if (seen[group] !== 0) values[group] = measureValue(measure, columns, group)
  const { numbers, count } = combinations(plan, groups)
  const last = lastWithin(values, numbers, count, most, first.sign)
  // Missing values come last, and are shown where there are too few others.
  return (group) => {
    const own = last[numbers[group]!]!
    return Number.isNaN(own) || first.sign * (values[group]! - own) <= 0
  }
}

/** By group, the number of its combination of `per` values; without `per`, all groups have the same one. */
function combinations(
  { per }: TallyPlan,
  groups: PassedGroups,
): { readonly numbers: Int32Array; readonly count: number } {
  const numbers = new Int32Array(groups.count)
  let count = 1
  for (const dimension of per) {
    const found = new Map<number, number>()
    for (let group = 0; group < numbers.length; group++) {
      // A tally has at most a few million keys, so the pair is a safe integer.
      const pair = groups.placeOf(dimension, group) * count + numbers[group]!
      let number = found.get(pair)
      if (number === undefined) {
        number = found.size
        found.set(pair, number)
      }
      numbers[group] = number
    }
    count = found.size
  }
  return { numbers, count }
}

/** By combination, the value at a place in the order; NaN: it has fewer values. */
function lastWithin(values: Float64Array, of: Int32Array, count: number, place: number, sign: 1 | -1): Float64Array {
  const last = new Float64Array(count).fill(Number.NaN)
  if (count === 1) return last.fill(nthBest(values, place, sign))
  const ends = new Int32Array(count + 1)
  for (let group = 0; group < values.length; group++) if (!Number.isNaN(values[group]!)) ends[of[group]! + 1]!++
  for (let number = 0; number < count; number++) ends[number + 1]! += ends[number]!
  const next = ends.slice()
  const ordered = new Float64Array(ends[count]!)
  for (let group = 0; group < values.length; group++)
    if (!Number.isNaN(values[group]!)) ordered[next[of[group]!]!++] = values[group]!
  for (let number = 0; number < count; number++) {
    const own = ordered.subarray(ends[number]!, ends[number + 1]!)
    if (own.length >= place) last[number] = nthBest(own, place, sign)
  }
  return last
}
