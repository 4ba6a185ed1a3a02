/** Places of records in SQL: those of a batch, to be joined with the decoded lines by position, and conditions on them. */
import type { Offset, Positions } from '#core/offsets.ts'
import { quoteText } from '#core/sql-names.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'

/** contiguous records that arrived together: [first offset, end offset, arrival] */
type PlaceRun = [from: Offset, until: Offset, atMs: number]

/** with fewer records per run, a list of the records is shorter */
const RECORDS_PER_RUN_MIN = 4

/**
 * Condition for typed rows.
 *
 * ```ts
 * fromPlaces(new Map([[0, 7], [2, 30]])) // '(_partition = 0 AND _offset >= 7) OR (_partition = 2 AND _offset >= 30)'
 * ```
 * @param from partition → offset from which on its rows are meant; those of other partitions are not
 */
export function fromPlaces(from: Positions): string {
  const each = [...from].map(([partition, offset]) => `(_partition = ${partition} AND _offset >= ${offset})`)
  return each.join(' OR ') || 'false'
}

/** SELECT of offset and arrival of each record, in order. */
export function placesSelect(batch: RecordBatch): string {
  const runs = placeRuns(batch, batch.count / RECORDS_PER_RUN_MIN)
  if (runs !== null) {
    const list = `SELECT unnest(from_json(${quoteText(JSON.stringify(runs))}, '[["BIGINT"]]')) AS run`
    return `SELECT unnest(range(run[1], run[2])) AS _offset, run[3] AS _arrival FROM (${list})`
  }
  const offsets = batch.offsets ?? Float64Array.from({ length: batch.count }, (_, index) => batch.start + index)
  const arrivals = batch.arrivals.flatMap((run) => new Array<number>(run.count).fill(run.atMs))
  const list = (numbers: ArrayLike<number>): string =>
    `unnest(from_json(${quoteText(`[${Array.prototype.join.call(numbers, ',')}]`)}, '["BIGINT"]'))`
  return `SELECT ${list(offsets)} AS _offset, ${list(arrivals)} AS _arrival`
}

/** SELECT of partition, offset and arrival of each record of all batches, in order. */
export function allPlacesSelect(batches: readonly RecordBatch[]): string {
  const runs = batches.map((batch) => placeRuns(batch, batch.count / RECORDS_PER_RUN_MIN))
  if (runs.includes(null))
    return batches
      .map((batch) => `SELECT ${batch.partition}::INTEGER AS _partition, * FROM (${placesSelect(batch)})`)
      .join(' UNION ALL ')
  // One list: the engine would plan a part of its own for each batch.
  const all = batches.flatMap(({ partition }, at) => runs[at]!.map((run) => [...run, partition]))
  const list = `SELECT unnest(from_json(${quoteText(JSON.stringify(all))}, '[["BIGINT"]]')) AS run`
  return `SELECT run[4]::INTEGER AS _partition, unnest(range(run[1], run[2])) AS _offset, run[3] AS _arrival FROM (${list})`
}

/** Null if there are more than `runsMax` runs. */
function placeRuns({ start, offsets, arrivals }: RecordBatch, runsMax: number): PlaceRun[] | null {
  const runs: PlaceRun[] = []
  let index = 0
  for (const { count, atMs } of arrivals) {
    for (const end = index + count; index < end; ) {
      if (runs.length >= runsMax) return null
      const from = offsets?.[index] ?? start + index
      let until = from
      if (offsets === null) {
        until += end - index
        index = end
      } else {
        while (index < end && offsets[index] === until) {
          until++
          index++
        }
      }
      runs.push([from, until, atMs])
    }
  }
  return runs
}
