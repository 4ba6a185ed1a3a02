/**
 * Tables that other programs read without Watershed: the raw events, and each view as it is presented. They follow the current generation:
 * a version holds exactly what the generation counts, and says so in the table's properties. Nothing is copied of the events: the table names the
 * files of closed segments. Removal waits for the tables, so that the newest version never names a file that is gone.
 */
import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CompiledDataset, CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { fingerprint, makeFolder, randomName, removeFile } from '#storage/lake/local/durable-files.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { DeltaLog, type TableFile } from '#storage/tables/delta-log.ts'
import { deltaSchema, storableType } from '#storage/tables/delta-schema.ts'
import type { Emit } from '#telemetry/emit.ts'
import { READERS_GRACE_MS } from './retention.ts'
import { VIEW_ROW_GROUP_ROWS, writeParquet } from './write-parquet.ts'

export interface OpenTablesOptions {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly connection: EngineConnection
  /** the current one */
  readonly generation: GenerationManifest
  readonly emit: Emit
  readonly clock: () => number
  readonly readersGraceMs?: number
  readonly signal?: AbortSignal
}

/**
 * Writes the versions that the tables lack.
 *
 * @returns false if they could not be written, which is emitted: then nothing may be removed that they could name
 */
export async function followWithTables(options: OpenTablesOptions): Promise<boolean> {
  const { dataset, lake, emit, signal } = options
  if (dataset.tables !== 'delta') return true
  try {
    await followEvents(options)
    for (const view of dataset.views.values()) {
      signal?.throwIfAborted()
      await followView(options, view)
    }
    return true
  } catch (error) {
    signal?.throwIfAborted()
    emit({
      name: 'tables-failed',
      level: 'warn',
      dataset: lake.dataset,
      message: `the Delta tables of '${lake.dataset}' could not follow generation ${options.generation.id}: ${error instanceof Error ? error.message : error}; retried after the next run, and until then no file of the lake is removed`,
    })
    return false
  }
}

async function followEvents({ dataset, lake, connection, generation, emit, clock }: OpenTablesOptions): Promise<void> {
  const { boundary } = generation
  const chains = await lake.chains(boundary.length, { compacted: true })
  const segments = chains.flatMap(({ partition, segments }) =>
    segments.filter(({ events, end }) => events !== null && end <= (boundary[partition] ?? 0)),
  )
  const log = new DeltaLog(lake.tableFolder(), connection)
  const before = await log.read()
  const columns = columnsOfAll(dataset, segments)
  const left = dataset.rowColumns.filter((column) => !columns.includes(column)).map(({ name }) => name)
  // Of compacted segments the rows are those of the segments that they replace.
  const rearranged = new Set([
    ...segments.filter(({ replaces }) => replaces !== undefined).map(({ events }) => events!.path),
    ...replacedFiles(before.files.keys(), segments),
  ])
  const after = await log.write(before, {
    schema: deltaSchema(columns),
    files: segments.map((segment) => eventsFile(dataset, segment)),
    isRearranged: (path) => rearranged.has(path),
    properties: propertiesOf(generation),
    atMs: clock(),
  })
  if (left.length > 0 && after.schema !== before.schema)
    emit({
      name: 'table-columns-left-out',
      level: 'warn',
      dataset: dataset.name,
      message: `the Delta table of the events of '${dataset.name}' leaves out ${left.join(', ')}: their type changed, and closed segments have the earlier one`,
      fields: { columns: left.join(', ') },
    })
}

/** Columns that have one type in every file; a file may lack them. */
function columnsOfAll(dataset: CompiledDataset, segments: readonly SegmentManifest[]): readonly SqlColumn[] {
  const others = new Set<string>()
  const types = new Map(dataset.rowColumns.map(({ name, type }) => [name, type]))
  for (const { columns } of segments)
    for (const { name, type } of columns) if (types.get(name) !== type) others.add(name)
  return dataset.rowColumns.filter(({ name }) => !others.has(name))
}

/** Files of a range that a compacted segment holds now. */
function replacedFiles(paths: Iterable<string>, segments: readonly SegmentManifest[]): string[] {
  const ranges = segments.filter(({ replaces }) => replaces !== undefined)
  return [...paths].filter((path) => {
    const [, partition, start] = /^segments\/p(\d+)\/(\d+)-/.exec(path) ?? []
    return ranges.some(
      (range) => range.partition === Number(partition) && range.start <= Number(start) && Number(start) < range.end,
    )
  })
}

function eventsFile({ timeColumn }: CompiledDataset, segment: SegmentManifest): TableFile {
  const { events, start, end, partition, timeRange, createdAtMs } = segment
  const { path, bytes, rows } = events!
  // Bounds are in ms, and times in µs: the later bound is rounded up.
  const times = timeRange && { min: timeText(timeRange.minMs), max: timeText(timeRange.maxMs + 1) }
  const min = { _partition: partition, _offset: start, ...(times && { [timeColumn]: times.min }) }
  const max = { _partition: partition, _offset: end - 1, ...(times && { [timeColumn]: times.max }) }
  return { path, bytes, rows, createdAtMs, bounds: { min, max } }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, -1)
}

/** One file, written again when a state of the view, or how it is presented, differs. */
async function followView(options: OpenTablesOptions, view: CompiledView): Promise<void> {
  const { lake, connection, generation, clock } = options
  const states = generation.views[view.name]
  // A view that was changed since is written once it has been computed.
  if (states === undefined || states.hash !== view.hash || states.files.length === 0) return
  const place = join('tables', view.name)
  const folder = join(lake.tableFolder(), place)
  const log = new DeltaLog(folder, connection)
  const before = await log.read()
  await lake.check(states.files)
  const merged = `(${view.mergeSql(readParquetSql(states.files.map((file) => lake.resolve(file))))})`
  const presented = await storable(connection, `${view.presentSql(merged, keyNames(view))}`)
  const source = sha256(JSON.stringify([states.files.map((file) => file.sha256), view.hash, presented.columns]))
  const kept = [...before.files.values()].find((file) => file.source === source)
  const atMs = clock()
  const written = { folder, select: presented.select, source, atMs }
  const file = kept ?? (await writeView(options, written))
  await log.write(before, {
    schema: deltaSchema(presented.columns),
    files: [file],
    isRearranged: () => false,
    properties: propertiesOf(generation),
    atMs,
  })
  await removeEarlier(folder, file.path, atMs - (options.readersGraceMs ?? READERS_GRACE_MS))
}

interface ViewFile {
  readonly folder: string
  readonly select: string
  readonly source: string
  readonly atMs: number
}

async function writeView(
  { connection, generation }: OpenTablesOptions,
  { folder, select, source, atMs }: ViewFile,
): Promise<TableFile> {
  await makeFolder(folder)
  const path = `${generation.id}-${randomName()}.parquet`
  const rows = await writeParquet(connection, select, join(folder, path), VIEW_ROW_GROUP_ROWS)
  const { bytes } = await fingerprint(join(folder, path), true)
  return { path, bytes, rows, createdAtMs: atMs, source }
}

/** Types that a table has not are cast; a pane is the moment when it begins. */
async function storable(
  connection: EngineConnection,
  presented: string,
): Promise<{ readonly columns: readonly SqlColumn[]; readonly select: string }> {
  const described = await connection.describe(presented)
  const columns = described.map(({ name, type }) => ({
    name,
    type: name === 'pane' ? 'TIMESTAMP' : storableType(type),
  }))
  const items = columns.map(({ name, type }) => {
    const value = name === 'pane' ? 'make_timestamp(pane * 1000)' : `CAST(${quoteName(name)} AS ${type})`
    return `${value} AS ${quoteName(name)}`
  })
  return { columns, select: `SELECT ${items.join(', ')} FROM (${presented})` }
}

/** Files of earlier versions, once no reader uses them; and what a crash left. */
async function removeEarlier(folder: string, current: string, beforeMs: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.parquet') || name === current) continue
    const path = join(folder, name)
    if ((await stat(path)).mtimeMs < beforeMs) await removeFile(path)
  }
}

function propertiesOf({ id, log, boundary }: GenerationManifest): Readonly<Record<string, string>> {
  return {
    'watershed.generation': id,
    'watershed.log': log,
    'watershed.boundary': JSON.stringify(boundary),
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
