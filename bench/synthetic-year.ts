/**
 * A lake as it is after a year: manifests of segments whose events are only declared, checkpoints of them, and a generation with real states.
 * What lands and runs afterwards is real.
 */

import { DuckDbCompute } from '#batch-layer/batch-compute.ts'
import { STATE_FILE_BYTES } from '#batch-layer/state-file-size.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from '#batch-layer/write-parquet.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { count, defineDataset, sum } from '#core/definition.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Blobs } from '#storage/lake/blob-lake/blobs.ts'
import { CheckpointFiles } from '#storage/lake/blob-lake/checkpoint-files.ts'
import { writeRemovalMark } from '#storage/lake/blob-lake/removal-mark.ts'
import type { StateFile, ViewStates } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedGeneration } from '#storage/lake/lake.ts'
import { manifestPath, segmentManifestName } from '#storage/lake/manifest-names.ts'
import { manifestText } from '#storage/lake/manifest-text.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { ALL_STATES, isOfSlots } from '#storage/lake/state-ranges.ts'

export const PARTITIONS = 100
export const LOG = 'year-log'
/** of a segment of the past */
const OFFSETS = 10_000
/** closed since the checkpoint, by partition */
const BEHIND = 5
const WRITTEN_AT_ONCE = 64
const HOUR_MS = 3_600_000
const END_MS = Date.UTC(2026, 0, 1)
const HOURS = 365 * 24
const COUNTRIES = 50

const definition = defineDataset({
  name: 'year',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    country: { type: 'VARCHAR', path: '$.country' },
    member: { type: 'BIGINT', path: '$.member' },
    amount: { type: 'INTEGER', path: '$.amount' },
  },
  views: {
    by_member: { dimensions: { member: 'member' }, measures: { events: count(), amount: sum('amount') } },
    by_hour: {
      dimensions: { country: 'country' },
      time: ['hour', 'day'],
      measures: { events: count(), amount: sum('amount') },
    },
  },
})

export function yearDataset(connection: EngineConnection): Promise<CompiledDataset> {
  return compileDataset(definition, connection)
}

export interface YearSize {
  /** of each partition; OFFSETS rows are declared in each */
  readonly segments: number
  /** of the view by_member */
  readonly keys: number
}

export interface YearPlace {
  readonly blobs: Blobs
  readonly lake: Lake
  readonly size: YearSize
  /** writes a text where nobody looks meanwhile */
  put(path: string, text: string): Promise<void>
}

/** Manifests, checkpoints and a generation that counts them all. */
export async function writeYear(
  dataset: CompiledDataset,
  connection: EngineConnection,
  { blobs, lake, size, put }: YearPlace,
): Promise<void> {
  const checkpoints = new CheckpointFiles(blobs, dataset.name)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const chain = Array.from({ length: size.segments }, (_, at) => pastSegment(dataset, partition, at, size.segments))
    const paths = chain.map((segment) => manifestPath(segmentManifestName(segment)))
    const folders = new Set(paths.map((path) => path.slice(0, path.lastIndexOf('/'))))
    for (const folder of folders) await blobs.makeFolder(folder)
    for (let from = 0; from < chain.length; from += WRITTEN_AT_ONCE)
      await Promise.all(
        chain.slice(from, from + WRITTEN_AT_ONCE).map((segment, at) => {
          const path = paths[from + at]!
          return put(path, manifestText(segment, path))
        }),
      )
    await checkpoints.write(partition, chain.slice(0, -BEHIND))
  }
  await writeGeneration(dataset, connection, lake, size)
  const boundary = Array.from({ length: PARTITIONS }, () => size.segments * OFFSETS)
  await writeRemovalMark(blobs, { boundary, olderThanMs: END_MS + 1, left: [] })
}

/** Its events are declared; the partials were removed when they had been counted. */
function pastSegment(dataset: CompiledDataset, partition: number, at: number, segments: number): SegmentManifest {
  const [start, end] = [at * OFFSETS, (at + 1) * OFFSETS]
  const spanMs = (HOURS * HOUR_MS) / segments
  const fromMs = END_MS - (segments - at) * spanMs
  const name = `${String(start).padStart(16, '0')}-events-${String(partition).padStart(12, '0')}`
  const path = `segments/p${String(partition).padStart(4, '0')}/${name}.parquet`
  return {
    ...emptyPast(dataset, partition, start, end),
    events: { path, bytes: 250_000, rows: OFFSETS, sha256: '0'.repeat(64) },
    rows: OFFSETS,
    timeRange: { minMs: fromMs, maxMs: fromMs + spanMs - 1 },
    createdAtMs: fromMs + spanMs,
  }
}

function emptyPast(dataset: CompiledDataset, partition: number, start: number, end: number): SegmentManifest {
  return {
    ...{ format: 1, dataset: dataset.name, log: LOG, kind: 'events', partition, start, end },
    ...{ events: null, deadLetterFile: null, partials: {}, rows: 0, deadLetters: 0, timeRange: null },
    ...{ late: { rows: 0, maxMs: 0 }, schemaHash: dataset.schemaHash, createdAtMs: END_MS },
    columns: dataset.rowColumns.map(({ name, type }) => ({ name, type })),
  }
}

async function writeGeneration(
  dataset: CompiledDataset,
  connection: EngineConnection,
  lake: Lake,
  { segments, keys }: YearSize,
): Promise<void> {
  const staged = await lake.beginGeneration()
  const pasts: Readonly<Record<string, string>> = {
    by_member: rowsSql(dataset, { partition: 0, from: 0, to: keys, keys, timeMs: `${END_MS - HOUR_MS}`, member: 'o' }),
    by_hour: rowsSql(dataset, {
      ...{ partition: 0, from: 0, to: HOURS * COUNTRIES, keys },
      timeMs: `${END_MS} - (o // ${COUNTRIES} + 1) * ${HOUR_MS}`,
    }),
  }
  const views: Record<string, ViewStates> = {}
  for (const view of dataset.views.values())
    views[view.name] = { hash: view.hash, files: await statesOf(connection, lake, staged, view, pasts[view.name]!) }
  const boundary = Array.from({ length: PARTITIONS }, () => segments * OFFSETS)
  await staged.commit({
    ...{ format: Object.values(views).some(({ files }) => files.some(isOfSlots)) ? 5 : 4, dataset: dataset.name },
    ...{ id: staged.id, log: LOG, mode: 'full', boundary, segments: [], base: null, views, dictionaries: {} },
    ...{ rows: PARTITIONS * segments * OFFSETS, deadLetters: 0, lateRows: 0, gaps: [] },
    ...{ startedAtMs: END_MS, finishedAtMs: END_MS, fullFinishedAtMs: END_MS },
  })
  await lake.setCurrent(staged.id)
}

/** Cut as a run cuts them. */
async function statesOf(
  connection: EngineConnection,
  lake: Lake,
  staged: StagedGeneration,
  view: CompiledView,
  rows: string,
): Promise<StateFile[]> {
  const compute = new DuckDbCompute(connection, null as never, (file) => lake.resolve(file))
  const [draft, scratch] = [await staged.stageFile('states', view.name), await staged.stageFile('states', view.name)]
  const sorted = `SELECT * FROM (${view.partialSql(rows)}) ORDER BY ${keyNames(view).join(', ')}`
  const all = await writeParquet(connection, sorted, draft.writePath, VIEW_ROW_GROUP_ROWS)
  const ranges = await compute.parts(view, draft.writePath, STATE_FILE_BYTES, ALL_STATES)
  if (ranges.length < 2) return [await draft.finish(all)]
  const parts = []
  for (const range of ranges) parts.push({ range, draft: await staged.stageFile('states', view.name) })
  const written = parts.map(({ range, draft: { writePath } }) => ({ range, writePath }))
  const counts = await compute.cut(view, draft.writePath, written, scratch.writePath)
  await scratch.discard()
  await draft.discard()
  const files: StateFile[] = []
  for (const [at, { range, draft: part }] of parts.entries()) files.push({ ...(await part.finish(counts[at]!)), range })
  return files
}

interface Rows {
  readonly partition: number
  /** offsets, half-open */
  readonly from: number
  readonly to: number
  readonly keys: number
  /** SQL of the offset `o` */
  readonly timeMs: string
  readonly member?: string
}

/** Typed rows; by default one event in a hundred is of a new key. */
export function rowsSql(dataset: CompiledDataset, { partition, from, to, keys, timeMs, member }: Rows): string {
  const anyone = `hash(o * ${PARTITIONS} + ${partition}) % ${Math.ceil(keys * 1.01)}`
  const values: Readonly<Record<string, string>> = {
    ...{ _partition: String(partition), _offset: 'o', _time: timeMs, _arrival: timeMs },
    ...{ id: `o * ${PARTITIONS} + ${partition}`, at: `make_timestamp((${timeMs})::BIGINT * 1000)` },
    ...{ country: `'c' || o % ${COUNTRIES}`, member: member ?? anyone, amount: 'o % 100' },
  }
  const columns = dataset.rowColumns.map(({ name, type }) => `(${values[name]})::${type} AS "${name}"`)
  return `(SELECT ${columns.join(', ')} FROM range(${from}, ${to}) AS r(o))`
}

/** Lands a real segment behind the chain's end. @returns its manifest, not committed yet */
export async function stageNew(
  dataset: CompiledDataset,
  connection: EngineConnection,
  lake: Lake,
  { partition, start, events, keys }: { partition: number; start: number; events: number; keys: number },
): Promise<SegmentManifest> {
  const [from, to] = [start, start + events]
  const timeMs = `${END_MS} + o % ${HOUR_MS}`
  const rows = rowsSql(dataset, { partition, from, to, keys, timeMs })
  const write = async (kind: string, select: string): Promise<LakeFile> => {
    const staged = await lake.stageSegmentFile(partition, start, kind)
    return staged.finish(await writeParquet(connection, select, staged.writePath))
  }
  const partials: Record<string, { hash: string; file: LakeFile }> = {}
  for (const view of dataset.views.values())
    partials[view.name] = { hash: view.hash, file: await write(`partial-${view.name}`, view.partialSql(rows)) }
  return {
    ...emptyPast(dataset, partition, start, to),
    ...{ events: await write('events', `SELECT * FROM ${rows}`), partials, rows: events, createdAtMs: Date.now() },
    timeRange: { minMs: END_MS, maxMs: END_MS + HOUR_MS - 1 },
  }
}
