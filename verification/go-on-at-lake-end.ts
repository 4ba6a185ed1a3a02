/**
 * The repair of a log that lost records which closed segments count: what it has got since is counted behind the end of the lake, so
 * that every record that it holds is counted once, and no segment is given up.
 *
 * Where log and lake part is found by the arrivals of their records: what was appended after the loss arrived later.
 */
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { isSameRecord } from '#core/record-print.ts'
import { quoteText } from '#core/sql-names.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { EventLog, RecordBatch } from '#storage/log/event-log.ts'
import { recordsAt } from '#storage/log/record-prints.ts'

/** Offset → arrival of every record that a closed segment counts. */
export type CountedArrivals = (segment: SegmentManifest) => Promise<ReadonlyMap<Offset, number>>

export interface GoingOnParts {
  readonly log: Pick<EventLog, 'range' | 'read' | 'moveRecords'>
  readonly countedArrivals: CountedArrivals
}

const READ_AT_ONCE = { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024 }

/** @returns what was done. @throws if this log cannot go on: nothing has changed then */
export async function goOnAtLakeEnd(parts: GoingOnParts, lake: SegmentChain, logRange: OffsetRange): Promise<string> {
  const { log } = parts
  const { partition } = lake
  const from = await partingOf(parts, lake, logRange)
  if (log.moveRecords !== undefined) {
    await log.moveRecords(partition, from, lake.end)
    return `the log goes on at offset ${lake.end}, where the lake ends; ${logRange.end - from} records that it got from offset ${from} on are counted from there`
  }
  if (logRange.end < lake.end)
    throw new Error(
      `the offsets of this log cannot be changed, and it ends at offset ${logRange.end}: events that it gets before offset ${lake.end} would not be counted. Let their producers send them again after that, or start with an empty data folder`,
    )
  return `the log is read on from offset ${lake.end}; the ${lake.end - from} records that it got at the offsets [${from}, ${lake.end}) are not counted: their producers must send them again`
}

/** The first offset whose record is not the one that the lake counts; the log's end if it has no such record. */
export async function partingOf(
  { log, countedArrivals }: GoingOnParts,
  { partition, segments, end }: SegmentChain,
  range: OffsetRange,
): Promise<Offset> {
  let from = range.start
  for (const segment of segments.toReversed()) {
    if (segment.end <= range.start) break
    const held = segment.last && (await recordsAt(log, partition, [segment.last])).get(segment.last.offset)
    if (!held || !isSameRecord(held, segment.last!)) continue
    from = Math.min(segment.end, range.end)
    break
  }
  for (const segment of segments) {
    if (segment.end <= from) continue
    const counted = await countedArrivals(segment)
    const upTo = Math.min(segment.end, range.end)
    while (from < upTo) {
      const batch = await log.read(partition, from, { ...READ_AT_ONCE, before: upTo })
      if (batch === null) break
      for (const [offset, arrivalMs] of arrivalsOf(batch))
        if (counted.get(offset) !== undefined && counted.get(offset) !== arrivalMs) return offset
      from = batch.end
    }
  }
  return Math.min(from, Math.max(range.end, range.start), end)
}

function* arrivalsOf({ start, offsets, arrivals }: RecordBatch): Iterable<[Offset, number]> {
  let line = 0
  for (const { count, atMs } of arrivals)
    for (let left = count; left > 0; left--, line++) yield [offsets === null ? start + line : offsets[line]!, atMs]
}

/** Read from the segment's files. */
export function arrivalsInLake(
  engine: Pick<DuckDbEngine, 'connect'>,
  lake: Pick<Lake, 'resolve' | 'check'>,
): CountedArrivals {
  return async (segment) => {
    const found = new Map<Offset, number>()
    const connection = await engine.connect()
    try {
      const files = [segment.events ?? [], segment.deadLetterFile ?? []].flat()
      await lake.check(files)
      for (const file of files) {
        const path = quoteText(lake.resolve(file))
        const [offsets, arrivals] = await connection.columns(`SELECT _offset, _arrival FROM read_parquet(${path})`)
        for (const [index, offset] of offsets!.entries()) found.set(Number(offset), Number(arrivals![index]))
      }
      return found
    } finally {
      connection.close()
    }
  }
}
