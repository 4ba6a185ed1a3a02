/** Events of closed segments: out of their Parquet files, and their JSON out of the files beside these. */
import type { CompiledDataset } from '#core/compiled.ts'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql, rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { type FoundEvent, findEvents, type Wanted } from './found-events.ts'
import type { RawTexts } from './open-events.ts'

export interface ClosedEventsParts {
  readonly dataset: CompiledDataset
  readonly lake: Pick<Lake, 'check' | 'resolve'>
  readonly connection: EngineConnection
  readonly answerBytesMax: number
}

/** Matching events of segments of one partition, newest first. @throws LakeError */
export async function closedEvents(
  { dataset, lake, connection, answerBytesMax }: ClosedEventsParts,
  segments: readonly SegmentManifest[],
  wanted: Wanted,
): Promise<readonly FoundEvent[]> {
  await lake.check(rowFiles(dataset, segments))
  const rows = typedRowsSql(dataset, segments, (file) => lake.resolve(file))
  return findEvents(connection, dataset, rows, wanted, answerBytesMax)
}

/** Whether a segment can hold events of the time range; true where only its rows can tell. */
export function canHold(
  { schemaHash }: Pick<CompiledDataset, 'schemaHash'>,
  segment: SegmentManifest,
  { fromMs, toMs }: { readonly fromMs?: number; readonly toMs?: number },
): boolean {
  if (segment.events === null || segment.timeRange === null) return false
  // By another definition, another column may have been the event time.
  if (segment.schemaHash !== schemaHash) return true
  const { minMs, maxMs } = segment.timeRange
  return (fromMs === undefined || maxMs >= fromMs) && (toMs === undefined || minMs < toMs)
}

/** Adds the JSON of the events of a segment: its lines have the order of its rows. Nothing is added where it is not kept. */
export async function addClosedRaws(
  { lake, connection }: Pick<ClosedEventsParts, 'lake' | 'connection'>,
  segment: SegmentManifest,
  found: readonly FoundEvent[],
  raws: RawTexts,
): Promise<void> {
  const own = found.filter(
    ({ partition, offset }) => partition === segment.partition && offset >= segment.start && offset < segment.end,
  )
  if (own.length === 0 || segment.events === null || segment.raw === undefined) return
  const { file, lineBytesMax } = segment.raw
  await lake.check([segment.events, file])
  const lines = `read_ndjson_objects(${quoteText(lake.resolve(file))}, compression = 'zstd', ignore_errors = true, maximum_object_size = ${lineBytesMax})`
  const offsets = `from_json(${quoteText(JSON.stringify(own.map(({ offset }) => offset)))}, '["BIGINT"]')`
  const [places, texts] = await connection.columns(
    `SELECT _offset, json::VARCHAR FROM ${readParquetSql([lake.resolve(segment.events)])} AS events POSITIONAL JOIN ${lines} AS lines
     WHERE _offset IN (SELECT unnest(${offsets}))`,
  )
  for (const [index, text] of (texts as (string | null)[]).entries())
    if (text !== null) raws.set(`${segment.partition}:${places![index]}`, text)
}
