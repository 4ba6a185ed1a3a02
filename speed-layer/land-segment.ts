/**
 * Writes a segment's Parquet files: typed events, dead letters, and each view's partials. None has its final name before all are whole. The partials of
 * small segments that close together can be stored in one file: see Lake.shareFiles.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { StepHook } from '#core/steps.ts'
import { type DeadLetter, typedColumnsSql } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { ENGINE_LINE_BYTES_MAX, writeScratch } from '#storage/engine/scratch-file.ts'
import type { Lake, SegmentShare, StagedFile } from '#storage/lake/lake.ts'
import { EVENTS_CODEC, type LakeFile, type SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { RawLines } from './raw-lines.ts'

export interface SegmentRows {
  readonly dataset: CompiledDataset
  readonly partition: number
  readonly start: Offset
  /** of its manifest */
  readonly createdAtMs: number
  /** table with the typed rows, in offset order */
  readonly table: string
  readonly rows: number
  /** the JSON of these rows; null: not kept */
  readonly raw: RawLines | null
  readonly deadLetters: readonly DeadLetter[]
}

export interface LandingPlace {
  readonly connection: EngineConnection
  readonly lake: Lake
  readonly scratchFolder: string
  readonly step: StepHook
}

const PIECE_BYTES = 1024 * 1024
/** a segment with more rows shares no files: landing it takes time, for which the small ones would wait */
const SHARED_ROWS_MAX = 20_000

type SegmentFiles = Pick<
  SegmentManifest,
  'events' | 'eventsCodec' | 'raw' | 'deadLetterFile' | 'partials' | 'together'
> &
  Partial<Pick<SegmentManifest, 'format'>>

interface WrittenFile {
  readonly kind: string
  readonly staged: StagedFile
  readonly rows: number
}

interface Written {
  readonly files: WrittenFile[]
  readonly share: SegmentShare | null
  /** of files of the share, in the order of the views: by their path, rows */
  readonly partials: Map<string, number>
}

/** @returns what the manifest says of the files. On any fault the unfinished files are removed and the fault is thrown. */
export async function landSegment(segment: SegmentRows, place: LandingPlace): Promise<SegmentFiles> {
  const written: Written = { files: [], share: shareOf(segment, place.lake), partials: new Map() }
  try {
    await writeFiles(segment, place, written)
    await place.step('segment:parquet-written')
    const [own, shared] = await allDone([finishOwn(written), written.share?.finish(written.partials) ?? null])
    const views = [...segment.dataset.views.values()]
    const partials = views.flatMap(({ name, hash }, at) => {
      const file = shared === null ? own.get(`partial-${name}`) : shared.files[at]
      return file ? [[name, { hash, file }] as const] : []
    })
    const events = own.get('events') ?? null
    return {
      ...(shared?.together && { format: 4, together: shared.together }),
      events,
      ...(events !== null && { eventsCodec: EVENTS_CODEC }),
      ...rawOf(segment, own.get('raw')),
      deadLetterFile: own.get('dead-letters') ?? null,
      partials: Object.fromEntries(partials),
    }
  } catch (error) {
    await written.share?.leave().catch(() => {})
    for (const file of written.files) await file.staged.discard().catch(() => {})
    throw error
  }
}

function shareOf({ partition, start, createdAtMs, rows }: SegmentRows, lake: Lake): SegmentShare | null {
  return rows > 0 && rows <= SHARED_ROWS_MAX ? lake.shareFiles({ partition, start, createdAtMs }) : null
}

async function finishOwn({ files }: Written): Promise<ReadonlyMap<string, LakeFile>> {
  const finished = new Map<string, LakeFile>()
  for (const file of files) finished.set(file.kind, await file.staged.finish(file.rows))
  return finished
}

/** As Promise.all, but when one fails, waits for the others before it rejects. */
async function allDone<const Work extends readonly unknown[]>(
  work: Work,
): Promise<{ -readonly [At in keyof Work]: Awaited<Work[At]> }> {
  await Promise.allSettled(work)
  return Promise.all(work)
}

function rawOf({ raw }: SegmentRows, file: LakeFile | undefined): Pick<SegmentManifest, 'raw'> {
  return raw === null || file === undefined ? {} : { raw: { file, lineBytesMax: raw.lineBytesMax } }
}

async function writeFiles(segment: SegmentRows, place: LandingPlace, written: Written): Promise<void> {
  const copyTo = (writePath: string, kind: string, select: string): Promise<number> =>
    place.connection.run(
      `COPY (${select}) TO ${quoteText(writePath)} (FORMAT parquet, COMPRESSION ${kind === 'events' ? EVENTS_CODEC : 'lz4_raw'})`,
    )
  const copy = async (kind: string, select: string): Promise<void> => {
    const staged = await place.lake.stageSegmentFile(segment.partition, segment.start, kind)
    written.files.push({ kind, staged, rows: 0 })
    const rows = await copyTo(staged.writePath, kind, select)
    written.files[written.files.length - 1] = { kind, staged, rows }
  }
  const copyPartial = async (kind: string, select: string): Promise<void> => {
    if (written.share === null) return copy(kind, select)
    const writePath = await written.share.stage(kind)
    written.partials.set(writePath, await copyTo(writePath, kind, select))
  }
  const table = quoteName(segment.table)
  if (segment.rows > 0) {
    await copy('events', `SELECT ${typedColumnsSql(segment.dataset)} FROM ${table}`)
    if (segment.raw !== null) await copyRaw(segment, segment.raw, place, written.files)
    for (const view of segment.dataset.views.values()) await copyPartial(`partial-${view.name}`, view.partialSql(table))
  }
  if (segment.deadLetters.length > 0) await withLetterFile(segment, place, (select) => copy('dead-letters', select))
}

async function copyRaw(
  { dataset, partition, start, rows }: SegmentRows,
  raw: RawLines,
  { lake }: LandingPlace,
  written: WrittenFile[],
): Promise<void> {
  if (raw.lines !== rows)
    throw new Error(
      `dataset '${dataset.name}', partition ${partition}: the segment from offset ${start} has ${rows} rows, but the JSON of ${raw.lines} events`,
    )
  const staged = await lake.stageSegmentFile(partition, start, 'raw')
  written.push({ kind: 'raw', staged, rows })
  await raw.copyTo(staged.writePath)
}

/** Dead letters go through a file of JSON lines with their bytes as base64, so that every byte survives. */
async function withLetterFile(
  segment: SegmentRows,
  place: LandingPlace,
  use: (select: string) => Promise<void>,
): Promise<void> {
  const file = join(place.scratchFolder, `letters-${process.pid}-${segment.partition}-${segment.start}.ndjson`)
  const letters = new LetterLines(segment.deadLetters)
  try {
    await writeScratch(file, letters.pieces())
    const largest = Math.max(ENGINE_LINE_BYTES_MAX, letters.lineBytesMax)
    await use(
      `SELECT p AS _partition, o AS _offset, a AS _arrival, r AS reason, from_base64(b) AS bytes FROM read_json(${quoteText(file)},
        format = 'newline_delimited', maximum_object_size = ${largest},
        columns = {p: 'INTEGER', o: 'BIGINT', a: 'BIGINT', r: 'VARCHAR', b: 'VARCHAR'}) ORDER BY o`,
    )
  } finally {
    await rm(file, { force: true })
  }
}

/** In pieces: all letters of a segment can be longer than a string may be. */
class LetterLines {
  readonly #letters: readonly DeadLetter[]
  /** of the lines that were given */
  lineBytesMax = 0

  constructor(letters: readonly DeadLetter[]) {
    this.#letters = letters
  }

  *pieces(): Iterable<Buffer> {
    let [lines, bytes] = [[] as Buffer[], 0]
    for (const letter of this.#letters) {
      const line = lineOf(letter)
      this.lineBytesMax = Math.max(this.lineBytesMax, line.length)
      lines.push(line)
      bytes += line.length
      if (bytes < PIECE_BYTES) continue
      yield Buffer.concat(lines)
      ;[lines, bytes] = [[], 0]
    }
    if (lines.length > 0) yield Buffer.concat(lines)
  }
}

function lineOf({ partition, offset, arrivalMs, reason, bytes }: DeadLetter): Buffer {
  const letter = { p: partition, o: offset, a: arrivalMs, r: reason.toWellFormed(), b: bytes.toString('base64') }
  return Buffer.from(`${JSON.stringify(letter)}\n`)
}
