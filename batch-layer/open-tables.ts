/**
 * Tables that other programs read without Watershed: the raw events, and each view as it is presented. They follow the current generation:
 * a version holds exactly what the generation counts, and says so in the table's properties. Nothing is copied of the events: the table names the
 * files of closed segments. Removal waits for the tables, so that the newest version never names a file that is gone, nor one that was replaced
 * within the grace of readers.
 */
import type { CompiledDataset, SqlColumn } from '#core/compiled.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { DeltaLog, type TableFile, type TableState } from '#storage/tables/delta-log.ts'
import { deltaSchema } from '#storage/tables/delta-schema.ts'
import { graceBegan, graceOf, propertiesOf, type TablesOptions } from './tables-options.ts'
import { followView } from './view-tables.ts'

/** Paths of events that left a table so short a time ago that readers may still use them. */
export type LeftTable = ReadonlySet<string>

/**
 * Writes the versions that the tables lack.
 *
 * @returns null if they could not be written, which is emitted: then nothing may be removed that they could name
 */
export async function followWithTables(options: TablesOptions): Promise<LeftTable | null> {
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

async function followEvents(options: TablesOptions): Promise<LeftTable> {
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
