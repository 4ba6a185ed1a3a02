/**
 * Merges adjacent small segments into large ones. Only segments that every kept generation has counted are merged: readers need the partials
 * of later ones, and a compacted segment has none. The originals are kept until the retention of a later run removes them.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake, StagedFile } from '#storage/lake/lake.ts'
import { explainFault } from '#storage/lake/lake-error.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import {
  EVENTS_CODEC,
  type LakeFile,
  type RawFile,
  type SegmentManifest,
  unconvertedOf,
} from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { keptBoundary } from './retention.ts'
import { lookForSmall } from './small-segments.ts'
import { writeParquet } from './write-parquet.ts'

export interface CompactOptions {
  readonly lake: Lake
  readonly engine: DuckDbEngine
  readonly partitions: number
  /** rows of a large segment; default 1,000,000. Segments with more than half of that are not merged */
  readonly rowsTarget?: number
  /** how long raw events are kept: segments far apart in it are not merged, so that the older ones can be removed before the newer; null: forever */
  readonly rawKeptMs?: number | null
  readonly step?: StepHook
  readonly emit?: Emit
  readonly signal?: AbortSignal
  readonly clock?: () => number
}

export interface Compaction {
  /** number of replaced segments, and of those that replace them */
  readonly replaced: number
  readonly made: number
}

const ROWS_TARGET = 1_000_000
/** A large segment is removed as a whole: raw events are kept this part of their horizon longer, at most. */
const SPANS_PER_HORIZON = 10

/** @returns null if a batch run holds the lock */
export async function compactSegments(options: CompactOptions): Promise<Compaction | null> {
  const { lake, engine, partitions, emit = silent, signal, rowsTarget = ROWS_TARGET, rawKeptMs = null } = options
  const lock = await lake.tryLock('batch')
  if (lock === null) return null
  const connection = await engine.connect()
  const stop = (): void => connection.stop()
  signal?.addEventListener('abort', stop)
  try {
    const boundary = await keptBoundary(lake, partitions)
    const spanMsMax = rawKeptMs === null ? null : rawKeptMs / SPANS_PER_HORIZON
    const { groups, next } = await lookForSmall(lake, boundary, { rowsTarget, spanMsMax })
    for (const group of groups) {
      signal?.throwIfAborted()
      await compactGroup(options, connection, group)
    }
    if (next !== null) await lake.markCompaction(next)
    // Full runs write checkpoints from all manifests.
    await lake.checkpoint(boundary, { thorough: false })
    const replaced = groups.reduce((sum, group) => sum + group.length, 0)
    if (replaced > 0) {
      emit({
        name: 'segments-compacted',
        level: 'info',
        dataset: lake.dataset,
        message: `compacted ${replaced} segments of '${lake.dataset}' into ${groups.length}`,
        fields: { replaced, made: groups.length },
      })
    }
    return { replaced, made: groups.length }
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    connection.close()
    await lock.release()
  }
}

async function compactGroup(
  options: CompactOptions,
  connection: EngineConnection,
  group: readonly SegmentManifest[],
): Promise<void> {
  const { lake, step = noSteps, clock = Date.now } = options
  const written: StagedFile[] = []
  const merge = async (kind: string, files: readonly LakeFile[]): Promise<LakeFile | null> => {
    if (files.length === 0) return null
    const { partition, start } = group[0]!
    const staged = await lake.stageSegmentFile(partition, start, kind)
    written.push(staged)
    await lake.check(files)
    const rows = await writeParquet(
      connection,
      `SELECT * FROM ${readParquetSql(files.map((file) => lake.resolve(file)))} ORDER BY _offset`,
      staged.writePath,
      undefined,
      kind === 'events' ? EVENTS_CODEC : undefined,
    )
    const expected = files.reduce((sum, file) => sum + file.rows, 0)
    if (rows === expected) return staged.finish(rows)
    throw new Error(
      `compaction, dataset '${lake.dataset}', partition ${partition} from offset ${start}: ${files.length} ${kind} files have ${rows} rows, but their manifests say ${expected}; check them with \`watershed doctor --deep\``,
    )
  }
  try {
    const events = await merge(
      'events',
      group.flatMap((segment) => segment.events ?? []),
    )
    const raw = await concatRaw(lake, group, written)
    const letters = await merge(
      'dead-letters',
      group.flatMap((segment) => segment.deadLetterFile ?? []),
    )
    const manifest = describeCompacted(group, events, raw, letters, clock())
    await lake.commitCompacted(events === null ? manifest : { ...manifest, eventsCodec: EVENTS_CODEC })
  } catch (error) {
    for (const staged of written) await staged.discard().catch(() => {})
    throw error
  }
  await step('compact:committed')
}

/** Files of zstd, one after the other, are one file of zstd. */
async function concatRaw(
  lake: Lake,
  group: readonly SegmentManifest[],
  written: StagedFile[],
): Promise<RawFile | null> {
  const parts = group.flatMap((segment) => segment.raw ?? [])
  if (parts.length === 0) return null
  const { partition, start } = group[0]!
  const staged = await lake.stageSegmentFile(partition, start, 'raw')
  written.push(staged)
  await lake.check(parts.map(({ file }) => file))
  try {
    for (const { file } of parts)
      await pipeline(createReadStream(lake.resolve(file)), createWriteStream(staged.writePath, { flags: 'a' }))
  } catch (error) {
    throw explainFault(error, 'cannot write', staged.writePath)
  }
  const rows = parts.reduce((sum, { file }) => sum + file.rows, 0)
  return { file: await staged.finish(rows), lineBytesMax: Math.max(...parts.map(({ lineBytesMax }) => lineBytesMax)) }
}

/** The manifest of a segment that takes the place of `group`. */
export function describeCompacted(
  group: readonly SegmentManifest[],
  events: LakeFile | null,
  raw: RawFile | null,
  deadLetterFile: LakeFile | null,
  createdAtMs: number,
): SegmentManifest {
  const [first, last] = [group[0]!, group.at(-1)!]
  const times = group.flatMap((segment) => segment.timeRange ?? [])
  const total = (of: (segment: SegmentManifest) => number): number => group.reduce((sum, each) => sum + of(each), 0)
  return {
    format: 1,
    dataset: first.dataset,
    log: first.log,
    kind: 'events',
    partition: first.partition,
    start: first.start,
    end: last.end,
    events,
    ...(raw && { raw }),
    deadLetterFile,
    partials: {},
    rows: total((segment) => segment.rows),
    deadLetters: total((segment) => segment.deadLetters),
    ...unconvertedOf(group),
    ...holesOf(total((segment) => segment.holes ?? 0)),
    ...lastOf(group),
    timeRange:
      times.length === 0
        ? null
        : { minMs: Math.min(...times.map((time) => time.minMs)), maxMs: Math.max(...times.map((time) => time.maxMs)) },
    late: {
      rows: total((segment) => segment.late.rows),
      maxMs: Math.max(...group.map((segment) => segment.late.maxMs)),
    },
    schemaHash: first.schemaHash,
    columns: first.columns,
    createdAtMs,
    replaces: group.map(segmentManifestName),
  }
}

function lastOf(group: readonly SegmentManifest[]): Pick<SegmentManifest, 'last'> {
  const last = group.findLast((segment) => segment.last !== undefined)?.last
  return last === undefined ? {} : { last }
}

function holesOf(holes: number): Pick<SegmentManifest, 'holes'> {
  return holes > 0 ? { holes } : {}
}
