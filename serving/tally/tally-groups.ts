/** Merges the rows of a tally into groups: buckets of time and combinations of dimension values. */
import type { AnswerRange } from '../answers/answer-meta.ts'
import { dimensionTest } from './tally-filter.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import { added } from './tally-rows.ts'
import type { ViewTally } from './view-tally.ts'

/** key → group; `OUT`: the filters leave it out */
interface KeyGroups {
  readonly ofKey: Int32Array
  /** by group: numbers of values, by dimension of the plan */
  readonly places: readonly (readonly number[])[]
}

const OUT = -1

interface Sums {
  readonly seen: Uint8Array
  /** by needed measure */
  readonly sums: readonly Float64Array[]
}

/** The merged rows in the range that the filters and `having` let through; null: only the engine can tell. */
export function talliedRows(plan: TallyPlan, tally: ViewTally, range: AnswerRange): TallyRow[] | null {
  const groups = keyGroups(plan, tally)
  if (groups === null) return null
  const rows: TallyRow[] = []
  for (const [bucket, { seen, sums }] of summed(plan, tally, range, groups)) {
    for (let group = 0; group < seen.length; group++) {
      if (seen[group] === 0) continue
      const all = new Array<number>(tally.shape.measures.length).fill(Number.NaN)
      for (const [index, measure] of plan.needed.entries()) all[measure] = sums[index]![group]!
      const row = { bucket, places: groups.places[group]!, sums: all }
      if (plan.holds(row)) rows.push(row)
    }
  }
  return rows
}

function keyGroups({ plan, dimensions }: TallyPlan, { keys, shape }: ViewTally): KeyGroups | null {
  const passes = dimensionTest(plan.query.filters ?? [], shape, keys)
  if (passes === null) return null
  const ofKey = new Int32Array(keys.count).fill(OUT)
  const places: number[][] = []
  const known = new Map<number | string, number>()
  for (let key = 0; key < keys.count; key++) {
    if (!passes(key)) continue
    const own = dimensions.map((dimension) => keys.place(dimension, key))
    const name = own.length === 1 ? own[0]! : own.join()
    let group = known.get(name)
    if (group === undefined) {
      group = places.push(own) - 1
      known.set(name, group)
    }
    ofKey[key] = group
  }
  return { ofKey, places }
}

function summed(
  { bucketMs, needed }: TallyPlan,
  tally: ViewTally,
  { fromMs = Number.NEGATIVE_INFINITY, toMs = Number.POSITIVE_INFINITY }: AnswerRange,
  { ofKey, places }: KeyGroups,
): ReadonlyMap<number, Sums> {
  const buckets = new Map<number, Sums>()
  const isTimed = tally.isTimed
  for (const source of tally.sources()) {
    for (const [pane, { keys, values, count }] of source.panes) {
      if (isTimed && (pane < fromMs || pane >= toMs)) continue
      const bucket = bucketMs === null ? 0 : Math.floor(pane / bucketMs) * bucketMs
      let own = buckets.get(bucket)
      if (own === undefined) {
        own = {
          seen: new Uint8Array(places.length),
          sums: needed.map(() => new Float64Array(places.length).fill(Number.NaN)),
        }
        buckets.set(bucket, own)
      }
      const { seen } = own
      for (let row = 0; row < count; row++) {
        const group = ofKey[keys[row]!]!
        if (group !== OUT) seen[group] = 1
      }
      for (const [index, measure] of needed.entries()) addUp(own.sums[index]!, ofKey, keys, values[measure]!, count)
    }
  }
  return buckets
}

function addUp(sums: Float64Array, ofKey: Int32Array, keys: Int32Array, values: Float64Array, count: number): void {
  for (let row = 0; row < count; row++) {
    const group = ofKey[keys[row]!]!
    if (group !== OUT) sums[group] = added(sums[group]!, values[row]!)
  }
}
