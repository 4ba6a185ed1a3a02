/**
 * Tables that other programs read without Watershed: the raw events, and each view as it is presented. They follow the current generation:
 * a version holds exactly what the generation counts, and says so in the table's properties. Nothing is copied of the events: the table names the
 * files of closed segments. Removal waits for the tables, so that the newest version never names a file that is gone, nor one that was replaced
 * within the grace of readers.
 */
import type { CompiledDataset, SqlColumn } from '#core/compiled.ts'
import { parseSegmentFile } from '#storage/lake/manifest-names.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { DeltaLog } from '#storage/tables/delta-log.ts'
import { columnsIn, deltaSchema } from '#storage/tables/delta-schema.ts'
import type { TableFile, TableState, TableVersion } from '#storage/tables/table-state.ts'
import { type Arrangement, arrangementOf, type KnownArrangements } from './table-arrangement.ts'
import { boundaryIn, graceBegan, graceOf, LOG_PROPERTY, propertiesOf, type TablesOptions } from './tables-options.ts'
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

/** What runs of this process know of how a lake is arranged. */
const arrangements = new WeakMap<TablesOptions['lake'], KnownArrangements>()

async function followEvents(options: TablesOptions): Promise<LeftTable> {
  const { dataset, lake, connection, generation, emit, clock } = options
  const log = new DeltaLog(lake.tables(), '', connection)
  const before = await log.read()
  const known = arrangements.get(lake) ?? new Map()
  arrangements.set(lake, known)
  const arrangement = arrangementOf(dataset, await lake.rearrangements(), known)
  const { kept, segments, columns } = await eventsSince(options, before, arrangement)
  const left = dataset.rowColumns.filter((column) => !columns.includes(column)).map(({ name }) => name)
  const next: TableVersion = {
    schema: deltaSchema(columns),
    files: [...kept, ...segments.map((segment) => eventsFile(dataset, segment))],
    isRearranged: rearrangedBy(segments),
    properties: { ...propertiesOf(generation), [ARRANGEMENT]: arrangement.text },
    atMs: clock(),
    graceMs: graceOf(options),
  }
  const after = await log.write(await withoutRemoved(log, before, next), next)
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

/**
 * Events that a policy removed leave the table in a version of their own: a program that follows the table as a stream passes over
 * such versions, and would miss the events of a version that has both. A file that was made again has the events of the one before.
 */
async function withoutRemoved(log: DeltaLog, before: TableState, next: TableVersion): Promise<TableState> {
  const { schema, properties } = before
  const named = new Set(next.files.map(({ path }) => path))
  const places = new Set(next.files.map(({ path }) => placeIn(path)))
  const stays = (path: string): boolean => named.has(path) || next.isRearranged(path) || places.has(placeIn(path))
  const files = [...before.files.values()].filter(({ path }) => stays(path))
  const isMixed =
    files.length < before.files.size &&
    next.files.some(({ path }) => !before.files.has(path) && !next.isRearranged(path))
  return isMixed && schema !== null ? log.write(before, { ...next, schema, properties, files }) : before
}

/** The partition and the offset with which a file of events begins, as a text. */
function placeIn(path: string): string {
  const { partition, start } = parseSegmentFile(path) ?? { partition: '', start: path }
  return `${partition}:${start}`
}

/** Property of the table of events: tells what the table has of earlier segments that is still what they are. */
const ARRANGEMENT = 'watershed.arrangement'

interface EventsSince {
  /** files of segments that need not be looked at again */
  readonly kept: readonly TableFile[]
  /** the others before the generation's boundary, those with events */
  readonly segments: readonly SegmentManifest[]
  /** that have one type in every file; a file may lack them */
  readonly columns: readonly SqlColumn[]
}

/** A full run looks at all segments; others at those that the table has not, and from the first one on that was rearranged since its version. */
async function eventsSince(
  { dataset, lake, generation: { boundary, log }, plan }: TablesOptions,
  { version, files, schema, properties }: TableState,
  arrangement: Arrangement,
): Promise<EventsSince> {
  const isKnown = version >= 0 && properties[LOG_PROPERTY] === log && plan?.mode !== 'full'
  const sameBefore = isKnown ? arrangement.sameBefore(properties[ARRANGEMENT]) : null
  const counted = sameBefore === null ? [] : boundaryIn(properties)
  const after = boundary.map((end, partition) => Math.min(end, counted[partition] ?? 0, sameBefore?.(partition) ?? 0))
  const chains = await lake.chains(boundary.length, { compacted: true, after })
  const begun = new Map(chains.map(({ partition, past }) => [partition, past?.end ?? 0]))
  const kept = [...files.values()].filter(({ path }) => {
    const place = parseSegmentFile(path)
    return place !== null && place.start < (begun.get(place.partition) ?? 0)
  })
  const segments = chains.flatMap(({ partition, segments }) =>
    segments.filter(({ events, end }) => events !== null && end <= (boundary[partition] ?? 0)),
  )
  const had = kept.length === 0 ? null : columnsIn(schema!)
  return { kept, segments, columns: columnsOfAll(dataset, segments).filter(({ name }) => had?.has(name) ?? true) }
}

function leftSince({ removed }: TableState, sinceMs: number): Set<string> {
  return new Set([...removed].filter(([, atMs]) => atMs >= sinceMs).map(([path]) => path))
}

function columnsOfAll(dataset: CompiledDataset, segments: readonly SegmentManifest[]): readonly SqlColumn[] {
  const others = new Set<string>()
  const types = new Map(dataset.rowColumns.map(({ name, type }) => [name, type]))
  for (const { columns } of segments)
    for (const { name, type } of columns) if (types.get(name) !== type) others.add(name)
  return dataset.rowColumns.filter(({ name }) => !others.has(name))
}

/** Whether a file that comes or goes is of a compacted segment, or of one that it replaces: the rows are the same. */
function rearrangedBy(segments: readonly SegmentManifest[]): (path: string) => boolean {
  const compacted = segments.filter(({ replaces }) => replaces !== undefined)
  const made = new Set(compacted.map(({ events }) => events!.path))
  const ranges = Map.groupBy(compacted, ({ partition }) => partition)
  return (path) => {
    if (made.has(path)) return true
    const place = parseSegmentFile(path)
    return (
      place !== null &&
      (ranges.get(place.partition) ?? []).some(({ start, end }) => start <= place.start && place.start < end)
    )
  }
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
