/**
 * Tables that other programs read without Watershed: the raw events, and each view as it is presented. They follow the current generation:
 * a version holds exactly what the generation counts, and says so in the table's properties. Nothing is copied of the events: the table names the
 * files of closed segments. Removal waits for the tables, so that the newest version never names a file that is gone, nor one that was replaced
 * within the grace of readers.
 */
import { createHash } from 'node:crypto'
import type { CompiledDataset, CompiledView, SqlColumn } from '#core/compiled.ts'
import { horizonWithin, NO_HORIZON, type PaneHorizon, type PaneLevel, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName } from '#core/sql-names.ts'
import { keyNames } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest, StateFile, ViewStates } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { randomName } from '#storage/lake/local/durable-files.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import {
  ALL_STATES,
  filesWithin,
  isOfSlots,
  isSameRange,
  rangesOf,
  type StateRange,
} from '#storage/lake/state-ranges.ts'
import type { TablePlace } from '#storage/lake/table-place.ts'
import { DeltaLog, type TableFile, type TableState } from '#storage/tables/delta-log.ts'
import { deltaSchema, storableType } from '#storage/tables/delta-schema.ts'
import type { Emit } from '#telemetry/emit.ts'
import { joinedRanges } from './pane-ranges.ts'
import { ORPHAN_GRACE_MS, READERS_GRACE_MS } from './retention.ts'
import { statesWithin } from './states-sql.ts'
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

/** Paths of events that left a table so short a time ago that readers may still use them. */
export type LeftTable = ReadonlySet<string>

/**
 * Writes the versions that the tables lack.
 *
 * @returns null if they could not be written, which is emitted: then nothing may be removed that they could name
 */
export async function followWithTables(options: OpenTablesOptions): Promise<LeftTable | null> {
  const { dataset, lake, emit, signal } = options
  if (dataset.tables !== 'delta') return new Set()
  try {
    const left = await followEvents(options)
    for (const view of dataset.views.values()) {
      signal?.throwIfAborted()
      await followView(options, view)
    }
    return left
  } catch (error) {
    signal?.throwIfAborted()
    emit({
      name: 'tables-failed',
      level: 'warn',
      dataset: lake.dataset,
      message: `the Delta tables of '${lake.dataset}' could not follow generation ${options.generation.id}: ${error instanceof Error ? error.message : error}; retried after the next run, and until then no file of the lake is removed`,
    })
    return null
  }
}

async function followEvents(options: OpenTablesOptions): Promise<LeftTable> {
  const { dataset, lake, connection, generation, emit, clock } = options
  const { boundary } = generation
  const chains = await lake.chains(boundary.length, { compacted: true })
  const segments = chains.flatMap(({ partition, segments }) =>
    segments.filter(({ events, end }) => events !== null && end <= (boundary[partition] ?? 0)),
  )
  const log = new DeltaLog(lake.tables(), '', connection)
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
    graceMs: graceOf(options),
  })
  if (left.length > 0 && after.schema !== before.schema)
    emit({
      name: 'table-columns-left-out',
      level: 'warn',
      dataset: dataset.name,
      message: `the Delta table of the events of '${dataset.name}' leaves out ${left.join(', ')}: their type changed, and closed segments have the earlier one`,
      fields: { columns: left.join(', ') },
    })
  return leftSince(after, graceBegan(options))
}

function leftSince({ removed }: TableState, sinceMs: number): Set<string> {
  return new Set([...removed].filter(([, atMs]) => atMs >= sinceMs).map(([path]) => path))
}

function graceBegan(options: OpenTablesOptions): number {
  return options.clock() - graceOf(options)
}

function graceOf({ readersGraceMs = READERS_GRACE_MS }: OpenTablesOptions): number {
  return readersGraceMs
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

/** Bounds of a column are left out where they may be wider than its values: some readers answer `max(_offset)` by them alone. */
function eventsFile({ timeColumn }: CompiledDataset, segment: SegmentManifest): TableFile {
  const { events, start, end, partition, timeRange, createdAtMs } = segment
  const { path, bytes, rows } = events!
  const isDense = rows === end - start
  // Bounds are in ms, and times in µs: the later bound is rounded up.
  const times = timeRange && { min: timeText(timeRange.minMs), max: timeText(timeRange.maxMs + 1) }
  const bounds = (offset: number, time: string | undefined): Record<string, number | string> => ({
    _partition: partition,
    ...(isDense && { _offset: offset }),
    ...(time !== undefined && { [timeColumn]: time }),
  })
  return {
    ...{ path, bytes, rows, createdAtMs },
    bounds: { min: bounds(start, times?.min), max: bounds(end - 1, times?.max) },
  }
}

function timeText(ms: number): string {
  return new Date(ms).toISOString().slice(0, -1)
}

/** A file for each range of the states, written again when a state in it, or how it is presented, differs. */
async function followView(options: OpenTablesOptions, view: CompiledView): Promise<void> {
  const { lake, connection, generation, clock, signal } = options
  const states = generation.views[view.name]
  // A view that was changed since is written once it has been computed.
  if (states === undefined || states.hash !== view.hash || states.files.length === 0) return
  const folder = `tables/${view.name}`
  const log = new DeltaLog(lake.tables(), folder, connection)
  const before = await log.read()
  const there = new Map([...before.files.values()].map((file) => [file.source, file]))
  const parts = partsOf(view, states)
  const lacking = parts.find(({ source }) => !there.has(source))
  const schema =
    lacking === undefined ? before.schema! : deltaSchema((await presentedPart(options, view, lacking)).columns)
  const atMs = clock()
  const files: TableFile[] = []
  for (const part of parts) {
    signal?.throwIfAborted()
    // All files of a table have the same columns.
    const kept = schema === before.schema ? there.get(part.source) : undefined
    files.push(kept ?? (await writePart(options, view, { part, folder, atMs })))
  }
  const after = await log.write(before, {
    schema,
    files,
    isRearranged: () => false,
    properties: propertiesOf(generation),
    atMs,
    graceMs: graceOf(options),
  })
  await removeEarlier(lake.tables(), folder, after, graceBegan(options))
}

/** What one file of a view's table is made from. */
interface TablePart {
  readonly files: readonly StateFile[]
  readonly range: StateRange
  /** what it leaves is presented */
  readonly horizon: PaneHorizon
  readonly source: string
}

/** One for each range; files of all keys, which a run added, are part of each. Panes that were merged are in one part. */
function partsOf(view: CompiledView, { files, horizon: whole = NO_HORIZON }: ViewStates): TablePart[] {
  const isCut = files.some(isOfSlots)
  return joinedRanges(rangesOf(files), whole).flatMap(({ range }) => {
    if (isCut && isSameRange(range, ALL_STATES)) return []
    const own = filesWithin(files, range)
    const horizon = horizonWithin(whole, range)
    const made = [own.map(({ sha256 }) => sha256), isCut ? range : null, view.hash, presentedSql(view, 'states')]
    const left = horizon.length === 0 ? [] : [range, horizon.map((level) => whereItEnds(level, range))]
    const source = createHash('sha256')
      .update(JSON.stringify([...made, ...left]))
      .digest('hex')
    return { files: own, range, horizon, source }
  })
}

/** A level that ends behind the range leaves the same of it, however far it has come. */
function whereItEnds({ grain, beforeMs }: PaneLevel, range: StateRange): readonly unknown[] {
  return beforeMs >= (range.beforeMs ?? Infinity) ? [grain] : [grain, beforeMs]
}

function presentedSql(view: CompiledView, states: string): string {
  return view.presentSql(`(${view.mergeSql(states)})`, keyNames(view))
}

async function presentedPart(
  { lake, connection }: OpenTablesOptions,
  view: CompiledView,
  { files, range, horizon }: TablePart,
): Promise<Storable> {
  await lake.check(files)
  const states = throughHorizonSql(
    horizon,
    statesWithin(view, files, range, (file) => lake.resolve(file)),
  )
  return storable(connection, presentedSql(view, states))
}

async function writePart(
  options: OpenTablesOptions,
  view: CompiledView,
  { part, folder, atMs }: { readonly part: TablePart; readonly folder: string; readonly atMs: number },
): Promise<TableFile> {
  const { lake, connection, generation } = options
  const path = `${generation.id}-${randomName()}.parquet`
  const staged = await lake.tables().stage(`${folder}/${path}`)
  try {
    const { select } = await presentedPart(options, view, part)
    const { bytes, rows } = await staged.finish(
      await writeParquet(connection, select, staged.writePath, VIEW_ROW_GROUP_ROWS),
    )
    return { path, bytes, rows, createdAtMs: atMs, source: part.source }
  } catch (error) {
    await staged.discard()
    throw error
  }
}

interface Storable {
  readonly columns: readonly SqlColumn[]
  readonly select: string
}

/** Types that a table has not are cast; a pane is the moment when it begins. */
async function storable(connection: EngineConnection, presented: string): Promise<Storable> {
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
async function removeEarlier(
  place: TablePlace,
  folder: string,
  { files, removed }: TableState,
  graceBeganMs: number,
): Promise<void> {
  for (const name of await place.names(folder)) {
    if (files.has(name) || !/\.parquet(\.inprogress)?$/.test(name)) continue
    const path = `${folder}/${name}`
    const leftMs = removed.get(name)
    const isNeedless = leftMs === undefined ? ((await place.ageMs(path)) ?? 0) > ORPHAN_GRACE_MS : leftMs < graceBeganMs
    if (isNeedless) await place.remove(path)
  }
}

function propertiesOf({ id, log, boundary }: GenerationManifest): Readonly<Record<string, string>> {
  return {
    'watershed.generation': id,
    'watershed.log': log,
    'watershed.boundary': JSON.stringify(boundary),
  }
}
