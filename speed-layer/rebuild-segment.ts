/**
 * Makes a closed segment again whose manifest is damaged or gone: from the log, if it still holds the records, else from the files that were
 * landed. Both are decoded as when the segment was open, so what a generation counted of it stays right.
 */
import { mkdir } from 'node:fs/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LostPiece } from '#storage/lake/segment-damage.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { EventLog, RecordBatch } from '#storage/log/event-log.ts'
import { lastPrint } from '#storage/log/record-prints.ts'
import { lakeRecords } from './lake-records.ts'
import { RowsFold } from './rows-fold.ts'

export interface RebuildParts {
  readonly dataset: CompiledDataset
  readonly log: EventLog
  readonly lake: Lake
  readonly engine: DuckDbEngine
  /** a folder that the engine may use */
  readonly scratchFolder: string
}

export interface Rebuilt {
  readonly manifest: SegmentManifest
  readonly from: 'log' | 'files'
}

const READ_AT_ONCE = { recordsMax: 10_000, bytesMax: 4 * 1024 * 1024 }

/**
 * @param logHolds whether the log is known to be the one that was counted, and holds the piece
 * @returns the segment, which is part of the lake again; null if neither the log nor the files hold it
 * @throws what keeps it from being made: nothing has changed then
 */
export async function rebuildSegment(
  parts: RebuildParts,
  piece: LostPiece,
  logHolds: boolean,
): Promise<Rebuilt | null> {
  const { dataset, lake, engine, log, scratchFolder } = parts
  const { partition, start } = piece
  await mkdir(scratchFolder, { recursive: true })
  const connection = await engine.connect()
  const fold = new RowsFold({ dataset, partition, logIdentity: log.identity, connection, lake, scratchFolder })
  try {
    await fold.begin(start)
    const fromLog = logHolds && piece.end !== null
    const found = fromLog ? null : await lakeRecords(connection, await lake.landedFiles(partition), piece)
    if (!fromLog && found === null) return null
    const records = found === null ? logRecords(log, partition, start, piece.end!) : found.batches()
    const counted = await foldBatches(fold, records, fromLog)
    const landed = await fold.land(Date.now())
    if (found !== null) assertSameRows(landed, found.rows)
    const manifest: SegmentManifest = { ...landed, ...counted }
    await lake.restoreSegment(manifest)
    return { manifest, from: fromLog ? 'log' : 'files' }
  } finally {
    await fold.close()
    connection.close()
  }
}

interface Counted {
  readonly holes?: number
  readonly last?: RecordPrint
}

/** @param areOriginal the batches' bytes are those that the log had */
async function foldBatches(
  fold: RowsFold,
  batches: AsyncIterable<RecordBatch>,
  areOriginal: boolean,
): Promise<Counted> {
  let [holes, last] = [0, null as RecordPrint | null]
  for await (const batch of batches) {
    // Before the fold, which may overwrite the batch's bytes.
    if (areOriginal) last = lastPrint(batch) ?? last
    await fold.append(batch)
    holes += batch.end - batch.start - batch.count
  }
  return { ...(holes > 0 && { holes }), ...(last && { last }) }
}

async function* logRecords(
  log: Pick<EventLog, 'read'>,
  partition: number,
  start: Offset,
  end: Offset,
): AsyncIterable<RecordBatch> {
  for (let from = start; from < end; ) {
    const batch = await log.read(partition, from, { ...READ_AT_ONCE, before: end })
    if (batch === null) throw new Error(`partition ${partition}: the log ends at offset ${from}, before ${end}`)
    yield batch
    from = batch.end
  }
}

/** An event of a closed segment stays a row, whatever the definition says now. */
function assertSameRows({ partition, start, end, rows }: SegmentManifest, held: number): void {
  if (rows === held) return
  throw new Error(
    `partition ${partition}, offsets [${start}, ${end}): the files have ${held} events, but the present definition makes ${rows} of their JSON; restore the manifest from a copy, or repair with the definition that the segment was closed with`,
  )
}
