/**
 * All usable events up to given positions, read again from their sources: raw events of closed segments from the
 * lake, and after them the log, decoded again. Partials and generations are not read.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import { hasPanes } from '#core/view-time.ts'
import { createRowsTable, decodeBatch, typedColumnsSql } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { changedColumns } from '#storage/lake/stored-columns.ts'
import { rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { jsonRowsSql } from './json-rows.ts'
import { groupsWithin, panesOf, type Slice, segmentsWithin } from './slice.ts'

const TAIL_BATCH = { recordsMax: 25_000, bytesMax: 48 * 1024 * 1024 } as const

export interface RawParts {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly log: EventLog
  readonly connection: EngineConnection
  readonly scratchFolder: string
}

export interface RawPosition {
  readonly partition: number
  /** end of the last closed segment */
  readonly closedEnd: Offset
  /** exclusive end of the recount */
  readonly position: Offset
}

/** Accounts for every offset of a partition: summarized + rows + deadLetters + gaps + holes = positions. */
export interface PartitionCount {
  readonly partition: number
  /** of a slice: the offsets of the segments that it reads, and of the log after them */
  readonly positions: number
  /** offsets whose raw events were removed by policy: they are not recounted, their states are taken as given */
  readonly summarized: number
  /** counted in the files and the decoded log, not read from manifests */
  readonly rows: number
  /** offsets that more than one row has: always 0 */
  readonly doubles: number
  readonly deadLetters: number
  readonly gaps: number
  /** offsets that never had a record */
  readonly holes: number
}

export interface RawRows {
  /** relation with the dataset's typed rows, all of those at least that the view's part of the slice counts */
  relationFor(view: CompiledView): string
  readonly counts: readonly PartitionCount[]
  /** of what was removed by policy: not among the rows */
  readonly summaries: readonly SegmentManifest[]
  /** releases the relation's resources */
  drop(): Promise<void>
}

/** The lake's segments do not match the requested positions (a compaction happened in between): take a new snapshot. */
export class MovedOnError extends Error {
  constructor(dataset: string, partition: number, end: Offset) {
    super(`dataset '${dataset}', partition ${partition}: no chain of segments ends at offset ${end} any longer`)
    this.name = 'MovedOnError'
  }
}

let tables = 0

/**
 * @param slice null: everything
 * @throws MovedOnError, LogRangeError (retention passed the positions): in both cases retry with a new snapshot
 */
export async function rawRows(
  parts: RawParts,
  positions: readonly RawPosition[],
  slice: Slice | null = null,
): Promise<RawRows> {
  const { dataset, lake, connection } = parts
  const segments = await segmentsUpTo(parts, positions, slice)
  const ofPanes = slice === null ? segments : segmentsWithin(dataset, segments, panesOf(slice))
  const views = [...dataset.views.values()]
  await lake.check(rowFiles(dataset, views.every(hasPanes) ? ofPanes : segments))
  const table = `verify_tail_${dataset.name}_${++tables}`
  const drop = async (): Promise<void> => {
    await connection.run(`DROP TABLE IF EXISTS ${quoteName(table)}`)
  }
  try {
    await createRowsTable(connection, dataset, table)
    const tails = new Map<number, TailCount>()
    for (const place of positions) tails.set(place.partition, await decodeTail(parts, place, table))
    const withTail = (closed: readonly SegmentManifest[]): string =>
      `(SELECT * FROM ${closedRowsSql(parts, closed)} UNION ALL SELECT ${typedColumnsSql(dataset)} FROM ${quoteName(table)})`
    const relations = { panes: withTail(ofPanes), all: withTail(segments) }
    const counted = slice === null || !views.some(hasPanes) ? segments : ofPanes
    const relation = counted === segments ? relations.all : relations.panes
    const counts = await countRows(
      connection,
      relation,
      positions,
      { segments: counted, isWhole: slice === null },
      tails,
    )
    const relationFor = (view: CompiledView): string => (hasPanes(view) ? relations.panes : relations.all)
    return { relationFor, counts, summaries: segments.filter(isSummary), drop }
  } catch (error) {
    await drop()
    throw error
  }
}

/** Rows as they are stored; where columns are defined otherwise now, from the JSON of the events, if it is kept. */
function closedRowsSql({ dataset, lake }: RawParts, segments: readonly SegmentManifest[]): string {
  const isChanged = (segment: SegmentManifest): boolean =>
    segment.events !== null && segment.raw !== undefined && changedColumns(dataset, segment).length > 0
  const stored = typedRowsSql(
    dataset,
    segments.filter((segment) => !isChanged(segment)),
    (file) => lake.resolve(file),
  )
  const changed = segments.filter(isChanged).map((segment) => jsonRowsSql(dataset, segment, lake))
  return `(${[stored, ...changed].map((rows) => `SELECT * FROM ${rows}`).join(' UNION ALL ')})`
}

/**
 * Prefers compacted segments: the originals may have been removed. Of views with panes alone, a slice needs those that can hold them, and
 * summaries: the others are not opened.
 */
async function segmentsUpTo(
  { dataset, lake }: RawParts,
  positions: readonly RawPosition[],
  slice: Slice | null,
): Promise<SegmentManifest[]> {
  const views = [...dataset.views.values()]
  const isOfPanes = slice !== null && views.length > 0 && views.every(hasPanes)
  const isNeeded = isOfPanes ? groupsWithin(dataset, panesOf(slice)) : () => true
  const chains = await lake.outline(positions.length, (group, partition) => {
    const end = positions[partition]?.closedEnd ?? 0
    return group.start < end && (isNeeded(group) || end < group.end)
  })
  return positions.flatMap(({ partition, closedEnd }) => {
    const groups = chains[partition]!.groups.filter(({ start }) => start < closedEnd)
    const segments = groups.flatMap((group) => (group.segments ?? []).filter(({ start }) => start < closedEnd))
    const last = groups.at(-1)
    const end = last?.segments ? segments.at(-1)!.end : (last?.end ?? 0)
    if (end !== closedEnd) throw new MovedOnError(dataset.name, partition, closedEnd)
    return segments
  })
}

function isSummary({ kind }: SegmentManifest): boolean {
  return kind === 'summary'
}

interface TailCount {
  readonly deadLetters: number
  readonly holes: number
}

/** Decodes `[closedEnd, position)` of the log into the table. */
async function decodeTail(parts: RawParts, place: RawPosition, table: string): Promise<TailCount> {
  const { connection, dataset, log, scratchFolder } = parts
  let [deadLetters, holes] = [0, 0]
  for (let from = place.closedEnd; from < place.position; ) {
    const batch = await log.read(place.partition, from, {
      bytesMax: TAIL_BATCH.bytesMax,
      recordsMax: TAIL_BATCH.recordsMax,
      before: place.position,
    })
    if (batch === null) {
      throw new Error(
        `dataset '${dataset.name}', partition ${place.partition}: the log ends at offset ${from}, but ${place.position} were counted`,
      )
    }
    const target = { table, scratchFolder, failures: 'reject' } as const
    deadLetters += (await decodeBatch(connection, dataset, batch, target)).dead.length
    holes += batch.end - batch.start - batch.count
    from = batch.end
  }
  return { deadLetters, holes }
}

async function countRows(
  connection: EngineConnection,
  relation: string,
  positions: readonly RawPosition[],
  { segments, isWhole }: { readonly segments: readonly SegmentManifest[]; readonly isWhole: boolean },
  tails: ReadonlyMap<number, TailCount>,
): Promise<PartitionCount[]> {
  const counted = await connection.rows<{ partition: number; rows: number; doubles: number }>(
    `SELECT _partition AS "partition", count(*) AS "rows", count(*) - count(DISTINCT _offset) AS doubles FROM ${relation} GROUP BY _partition`,
  )
  return positions.map(({ partition, closedEnd, position }) => {
    const all = segments.filter((segment) => segment.partition === partition)
    const own = all.filter((segment) => !isSummary(segment))
    const found = counted.find((row) => row.partition === partition)
    const sum = (of: (segment: SegmentManifest) => number): number => own.reduce((total, one) => total + of(one), 0)
    return {
      partition,
      positions: isWhole ? position : position - closedEnd + sum(({ start, end }) => end - start),
      summarized: isWhole ? (all.find(isSummary)?.end ?? 0) : 0,
      rows: found?.rows ?? 0,
      doubles: found?.doubles ?? 0,
      deadLetters: (tails.get(partition)?.deadLetters ?? 0) + sum((segment) => segment.deadLetters),
      gaps: sum((segment) => (segment.kind === 'gap' ? segment.end - segment.start : 0)),
      holes: (tails.get(partition)?.holes ?? 0) + sum((segment) => segment.holes ?? 0),
    }
  })
}
