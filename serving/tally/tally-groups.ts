/** Merges the rows of a tally into groups: buckets of time and combinations of dimension values. */
import type { AnswerRange } from '../answers/answer-meta.ts'
import { countSets } from './counted-sets.ts'
import { OUT, type PassedGroups, passedGroups, type TalliedRows } from './passed-groups.ts'
import { mergeRows, type TallyColumns } from './tally-fields.ts'
import type { TallyPlan, TallyRow } from './tally-plan.ts'
import { measureValue } from './tally-shape.ts'
import type { ViewTally } from './view-tally.ts'

interface GroupRows {
  readonly seen: Uint8Array
  /** of the needed fields, by group */
  readonly columns: TallyColumns
}

/** The merged rows in the range that the filters and `having` let through; null: only the engine can tell. */
export function talliedRows(plan: TallyPlan, tally: ViewTally, range: AnswerRange): TalliedRows | null {
  const groups = passedGroups(plan, tally)
  if (groups === null) return null
  const { places } = groups
  const { measures } = tally.shape
  const needed = measures.map((measure, at) => (plan.needed.includes(at) ? measure : null))
  const rows: TallyRow[] = []
  for (const [bucket, { seen, columns }] of grouped(plan, tally, range, groups)) {
    for (let group = 0; group < seen.length; group++) {
      if (seen[group] === 0) continue
      const values = needed.map((measure) => (measure === null ? Number.NaN : measureValue(measure, columns, group)))
      rows.push({ bucket, group, places: places.map((own) => own[group]!), values })
    }
  }
  if (!countSets(plan, tally, range, { rows, groups }, plan.sets.ranking)) return null
  return { rows: rows.filter(plan.holds), groups }
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
    const all = emptyGroups(plan, groups)
    addRows(plan, all, groups, { keys: merged.keys, columns: merged.columnsOf(fields), count: merged.keys.length })
    return new Map([[0, all]])
  }
  const buckets = new Map<number, GroupRows>()
  for (const [pane, rows] of tally.panesWithin(range)) {
    const bucket = Math.floor(pane / bucketMs) * bucketMs
    let own = buckets.get(bucket)
    if (own === undefined) {
      own = emptyGroups(plan, groups)
      buckets.set(bucket, own)
    }
    addRows(plan, own, groups, rows)
  }
  return buckets
}

function emptyGroups({ fields }: TallyPlan, { count }: PassedGroups): GroupRows {
  const columns: Float64Array[] = []
  for (const field of fields)
    for (const column of field.columns) columns[column] = new Float64Array(count).fill(Number.NaN)
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
