/** How many distinct values rows have seen: the sets of all states of a group, united for the rows that need it. */
import type { AnswerRange } from '../answers/answer-meta.ts'
import { OUT, type TalliedRows } from './passed-groups.ts'
import type { TallyPlan } from './tally-plan.ts'
import type { ViewTally } from './view-tally.ts'

/** elements that are sorted for one answer, beyond which the engine counts them: beside others, and with all processors */
const ELEMENTS_MAX = 100_000

/** Writes the counts of these measures into the rows' values. @returns false: the engine has to count */
export function countSets(
  { bucketMs }: TallyPlan,
  tally: ViewTally,
  range: AnswerRange,
  { rows, groups }: TalliedRows,
  measures: readonly number[],
): boolean {
  if (measures.length === 0 || rows.length === 0) return true
  const slots = new Map<number, Int32Array>()
  for (const [at, { bucket, group }] of rows.entries()) {
    if (!slots.has(bucket)) slots.set(bucket, new Int32Array(groups.count))
    slots.get(bucket)![group] = at + 1
  }
  const columns = measures.map((measure) => tally.shape.measures[measure]!.set!)
  const found = columns.map(() => rows.map((): number[] => []))
  for (const [pane, { keys, columns: own, count }] of tally.panesWithin(range)) {
    const within = slots.get(bucketMs === null ? 0 : Math.floor(pane / bucketMs) * bucketMs)
    if (within === undefined) continue
    for (let row = 0; row < count; row++) {
      const group = groups.ofKey[keys[row]!]!
      const at = group === OUT ? -1 : within[group]! - 1
      if (at < 0) continue
      for (const [index, column] of columns.entries()) {
        const set = own[column]![row]!
        if (!Number.isNaN(set)) found[index]![at]!.push(set)
      }
    }
  }
  let elements = 0
  for (const [index, measure] of measures.entries()) {
    const sets = tally.sets.get(columns[index]!)!
    for (const [at, row] of rows.entries()) {
      const lists = found[index]![at]!
      if (lists.length > 1) elements += lists.reduce((sum, set) => sum + sets.sizeOf(set), 0)
      if (elements > ELEMENTS_MAX) return false
      row.values[measure] = lists.length === 0 ? Number.NaN : sets.countOf(lists)
    }
  }
  return true
}
