/** Events that are in the log and in no closed segment yet: read from the log and decoded, as the stream role decodes them. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import { linesAt } from '#storage/engine/batch-lines.ts'
import { createRowsTable, decodeBatches } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { EventLog, RecordBatch } from '#storage/log/event-log.ts'
import { type FoundEvent, findEvents, placeText, type Wanted } from './found-events.ts'

export interface OpenEventsParts {
  readonly dataset: CompiledDataset
  readonly log: Pick<EventLog, 'read'>
  readonly connection: EngineConnection
  /** a folder that the engine may read */
  readonly scratchFolder: string
  readonly answerBytesMax: number
}

/** of one read of the log */
const READ_BYTES_MAX = 8 * 1024 * 1024
const TABLE = 'open_events'

/** Of a found event: partition:offset → its JSON. */
export type RawTexts = Map<string, string>

/**
 * Matching events of a range of the log, newest first.
 * @param raws where given, the JSON of what is found is added to it
 * @throws LogRangeError if the log does not hold the range (any more)
 */
export async function openEvents(
  { dataset, log, connection, scratchFolder, answerBytesMax }: OpenEventsParts,
  range: OffsetRange,
  wanted: Wanted,
  raws: RawTexts | null,
): Promise<readonly FoundEvent[]> {
  let found: readonly FoundEvent[] = []
  // One read at a time: a range is bounded in records, which can be large.
  for await (const batch of batchesOf(log, range)) {
    await connection.run(`DROP TABLE IF EXISTS ${TABLE}`)
    await createRowsTable(connection, dataset, TABLE)
    await decodeBatches(connection, dataset, [batch], { table: TABLE, scratchFolder, failures: 'reject' })
    const newer = await findEvents(connection, dataset, TABLE, wanted, answerBytesMax)
    if (raws !== null) addRaws(batch, newer, raws)
    const all = [...newer, ...found]
    found = all.slice(0, wanted.need)
    for (const older of all.slice(wanted.need)) raws?.delete(placeText(older))
  }
  return found
}

async function* batchesOf(
  log: Pick<EventLog, 'read'>,
  { partition, start, end }: OffsetRange,
): AsyncGenerator<RecordBatch> {
  for (let from: Offset = start; from < end; ) {
    const batch = await log.read(partition, from, {
      recordsMax: end - from,
      bytesMax: READ_BYTES_MAX,
      before: end,
    })
    if (batch === null) return
    yield batch
    from = batch.end
  }
}

function addRaws(batch: RecordBatch, found: readonly FoundEvent[], raws: RawTexts): void {
  const own = found.filter(({ offset }) => offset >= batch.start && offset < batch.end).map(({ offset }) => offset)
  for (const { offset, line } of linesAt(batch, own)) raws.set(`${batch.partition}:${offset}`, line.toString('utf8'))
}
