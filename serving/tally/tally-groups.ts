/** Merges the rows of a tally into groups: buckets of time and combinations of dimension values. */
import type { AnswerRange } from '../answers/answer-meta.ts'
import { countSets } from './counted-sets.ts'
import { OUT, type PassedGroups, passedGroups, type TalliedRows } from './passed-groups.ts'
import { mergeRows, type TallyColumns } from './tally-fields.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import { measureValue } from './tally-shape.ts'
import type { ViewTally } from './view-tally.ts'
import { wantedGroups } from './wanted-groups.ts'

/** of all groups in all buckets of one answer, beyond which the engine gives it: beside others, and within its time */
const NUMBERS_MAX = 2 ** 19

interface GroupRows {
  readonly seen: Uint8Array
  /** of the needed fields, by group; from the tally's pool */
  readonly columns: readonly Float64Array[]
}

/** The merged rows in the range that the filters and `having` let through; null: only the engine can tell. */
export function talliedRows(plan: TallyPlan, tally: ViewTally, range: AnswerRange): TalliedRows | null {
  const groups = passedGroups(plan, tally)
  if (groups === null) return null
  if (!isWithin(plan, tally, range, groups)) return null
  const rows: TallyRow[] = []
  for (const [bucket, { seen, columns }] of grouped(plan, tally, range, groups)) {
    const isWanted = wantedGroups(plan, tally, groups, seen, columns)
    for (let group = 0; group < seen.length; group++)
      if (seen[group] !== 0 && isWanted(group)) rows.push(rowOf(plan, tally, groups, columns, bucket, group))
    tally.spare.give(columns)
  }
  if (!countSets(plan, tally, range, { rows, groups }, plan.sets.ranking)) return null
  return { rows: rows.filter(plan.holds), groups }
}

/** Whether the numbers of each group in each bucket are few enough to be kept for one answer. */
function isWithin(
  { bucketMs, fields }: TallyPlan,
  tally: ViewTally,
  range: AnswerRange,
  { count }: PassedGroups,
): boolean {
  const numbers = count * (1 + fields.reduce((sum, { columns }) => sum + columns.length, 0))
  if (bucketMs === null) return numbers <= NUMBERS_MAX
  const buckets = new Set<number>()
  for (const [pane] of tally.panesWithin(range)) {
    buckets.add(Math.floor(pane / bucketMs))
    if (buckets.size * numbers > NUMBERS_MAX) return false
  }
  return true
}

function rowOf(
  { needed }: TallyPlan,
  { shape }: ViewTally,
  { placesOf }: PassedGroups,
  columns: TallyColumns,
  bucket: number,
  group: number,
): TallyRow {
  const values = new Array<number>(shape.measures.length).fill(Number.NaN)
  for (const index of needed) values[index] = measureValue(shape.measures[index]!, columns, group)
  return { bucket, group, places: placesOf(group), values }
}

function grouped(
  plan: TallyPlan,
  tally: ViewTally,
  range: AnswerRange,
  groups: PassedGroups,
): ReadonlyMap<number, GroupRows> {
  const { bucketMs, fields } = plan
  if (bucketMs === null) {
    const merged = tally.merged(range)
    const all = emptyGroups(plan, tally, groups)
    addRows(plan, all, groups, { keys: merged.keys, columns: merged.columnsOf(fields), count: merged.keys.length })
    return new Map([[0, all]])
  }
  const buckets = new Map<number, GroupRows>()
  for (const [pane, rows] of tally.panesWithin(range)) {
    const bucket = Math.floor(pane / bucketMs) * bucketMs
    let own = buckets.get(bucket)
    if (own === undefined) {
      own = emptyGroups(plan, tally, groups)
      buckets.set(bucket, own)
    }
    addRows(plan, own, groups, rows)
  }
  return buckets
}

function emptyGroups({ fields }: TallyPlan, { spare }: ViewTally, { count }: PassedGroups): GroupRows {
  const columns: Float64Array[] = []
  for (const field of fields) for (const column of field.columns) columns[column] = spare.take(count)
  return { seen: new Uint8Array(count), columns }
}

function addRows(
  { fields }: TallyPlan,
  into: GroupRows,
  { ofKey }: PassedGroups,
  { keys, columns, count }: { readonly keys: Int32Array; readonly columns: TallyColumns; readonly count: number },
): void {
  markSeen(into.seen, ofKey, keys, count)
  for (const field of fields) mergeRows(field, into.columns, ofKey, 0, keys, columns, count)
}

function markSeen(seen: Uint8Array, ofKey: Int32Array, keys: Int32Array, count: number): void {
  for (let row = 0; row < count; row++) {
    const group = ofKey[keys[row]!]!
    if (group !== OUT) seen[group] = 1
  }
}
