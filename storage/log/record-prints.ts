/** Fingerprints of records, as a log holds them. */
import { hash } from 'node:crypto'
import type { Offset } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import { type EventLog, LogRangeError, type RecordBatch } from './event-log.ts'
import { NEWLINE } from './log-blocks.ts'

/** Of the batch's last record; null if the batch has only holes. */
export function lastPrint({ start, count, lines, offsets, arrivals, originals }: RecordBatch): RecordPrint | null {
  if (count === 0) return null
  // A decoder may write the line differently another time; the record's own bytes stay.
  const bytes = originals?.get(count - 1)?.bytes ?? lines.subarray(lines.lastIndexOf(NEWLINE, -2) + 1, -1)
  return {
    offset: offsets === null ? start + count - 1 : offsets[count - 1]!,
    arrivalMs: arrivals.at(-1)!.atMs,
    sha256: hash('sha256', bytes),
  }
}

/**
 * What the log holds now where these records were counted. Offsets that it does not hold, or that have no record (a compacted topic), are
 * left out: they prove nothing.
 */
export async function recordsAt(
  log: Pick<EventLog, 'range' | 'read'>,
  partition: number,
  counted: Iterable<RecordPrint>,
): Promise<ReadonlyMap<Offset, RecordPrint>> {
  const held = new Map<Offset, RecordPrint>()
  for (const { offset } of counted) {
    const { start, end } = await log.range(partition)
    if (offset < start || offset >= end) continue
    const print = await printAt(log, partition, offset)
    if (print?.offset === offset) held.set(offset, print)
  }
  return held
}

async function printAt(log: Pick<EventLog, 'read'>, partition: number, offset: Offset): Promise<RecordPrint | null> {
  try {
    const batch = await log.read(partition, offset, { bytesMax: 1, recordsMax: 1, before: offset + 1 })
    return batch && lastPrint(batch)
  } catch (error) {
    // Trimmed meanwhile.
    if (error instanceof LogRangeError) return null
    throw error
  }
}
