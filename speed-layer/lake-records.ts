/**
 * The records of a segment, read from its files as a log would give them: for a segment whose manifest is damaged, where the log no longer
 * holds its records. Usable events come from their JSON, with offsets and arrivals from the typed rows; dead letters keep bytes and reason.
 */
import { createReadStream } from 'node:fs'
import { createZstdDecompress } from 'node:zlib'
import type { Offset } from '#core/offsets.ts'
import { quoteText } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { LandedFile } from '#storage/lake/lake.ts'
import type { OriginalRecord, RecordBatch } from '#storage/log/event-log.ts'

const LINE_FEED = 10
const BATCH_RECORDS_MAX = 10_000
const BATCH_BYTES_MAX = 4 * 1024 * 1024

/** Where the records of `[start, end)` are. */
export interface LakeRecords {
  readonly end: Offset
  /** usable events, as the segment had them */
  readonly rows: number
  /** each begins where the one before it ends */
  batches(): AsyncIterable<RecordBatch>
}

interface Places {
  readonly offsets: readonly Offset[]
  readonly arrivals: readonly number[]
}

interface Letters extends Places {
  readonly originals: readonly OriginalRecord[]
}

interface Found {
  readonly path: string
  readonly rows: Places
}

/**
 * @param end null: the segment ends behind its last record
 * @returns null if the files do not hold the segment: they are damaged or gone, or the JSON of its events was not kept
 */
export async function lakeRecords(
  connection: EngineConnection,
  files: readonly LandedFile[],
  { partition, start, end }: { readonly partition: number; readonly start: Offset; readonly end: Offset | null },
): Promise<LakeRecords | null> {
  const own = files.filter((file) => file.start === start)
  const rows = await widest(own, 'events', (path) => placesOf(connection, path), end)
  const letters = await widest(own, 'dead-letters', (path) => lettersOf(connection, path), end)
  const last = Math.max(rows?.offsets.at(-1) ?? -1, letters?.offsets.at(-1) ?? -1)
  if (last < start) return null
  const raw = rows === null ? null : await rawOf(own, rows)
  if (rows !== null && raw === null) return null
  const found = raw ?? { path: null, rows: { offsets: [], arrivals: [] } }
  const until = end ?? last + 1
  return {
    end: until,
    rows: found.rows.offsets.length,
    batches: () => batchesOf(partition, start, until, found, letters),
  }
}

/** Of several owners that landed the segment, the one that read most; what they have in common is the same. */
async function widest<Some extends Places>(
  files: readonly LandedFile[],
  kind: string,
  read: (path: string) => Promise<Some>,
  end: Offset | null,
): Promise<Some | null> {
  let most: Some | null = null
  for (const { path } of files.filter((file) => file.kind === kind)) {
    const some = await read(path).catch(() => null)
    const fits = some !== null && some.offsets.length > 0 && (end === null || some.offsets.at(-1)! < end)
    if (fits && (most === null || some.offsets.length > most.offsets.length)) most = some
  }
  return most
}

async function placesOf(connection: EngineConnection, path: string): Promise<Places> {
  const [offsets, arrivals] = await connection.columns(
    `SELECT _offset, _arrival FROM read_parquet(${quoteText(path)}) ORDER BY _offset`,
  )
  return { offsets: offsets!.map(Number), arrivals: arrivals!.map(Number) }
}

async function lettersOf(connection: EngineConnection, path: string): Promise<Letters> {
  const [offsets, arrivals, reasons, bytes] = await connection.columns(
    `SELECT _offset, _arrival, reason, to_base64(bytes) FROM read_parquet(${quoteText(path)}) ORDER BY _offset`,
  )
  const originals = bytes!.map((text, index) => ({
    bytes: Buffer.from(text as string, 'base64'),
    reason: reasons![index] as string,
  }))
  return { offsets: offsets!.map(Number), arrivals: arrivals!.map(Number), originals }
}

/** The JSON of exactly these rows. Its checksums are those of zstd. */
async function rawOf(files: readonly LandedFile[], rows: Places): Promise<Found | null> {
  for (const { path } of files.filter(({ kind }) => kind === 'raw')) {
    const lines = await countLines(path).catch(() => -1)
    if (lines === rows.offsets.length) return { path, rows }
  }
  return null
}

async function countLines(path: string): Promise<number> {
  let lines = 0
  for await (const chunk of decompressed(path))
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

function decompressed(path: string): AsyncIterable<Buffer> {
  const source = createReadStream(path)
  const plain = createZstdDecompress()
  source.on('error', (error) => plain.destroy(error))
  return source.pipe(plain)
}

async function* linesOf(path: string): AsyncIterable<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of decompressed(path)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = rest.indexOf(LINE_FEED); end !== -1; end = rest.indexOf(LINE_FEED, from)) {
      yield rest.subarray(from, end + 1)
      from = end + 1
    }
    rest = rest.subarray(from)
  }
}

interface OneRecord {
  readonly offset: Offset
  readonly atMs: number
  readonly line: Buffer
  readonly original?: OriginalRecord
}

/** The line of a record that stays a dead letter. */
const UNUSABLE = Buffer.from('null\n')

async function* recordsOf(
  { path, rows }: { readonly path: string | null; readonly rows: Places },
  letters: Letters | null,
): AsyncIterable<OneRecord> {
  let letter = 0
  const lettersBefore = function* (offset: Offset): Iterable<OneRecord> {
    for (; letters && letter < letters.offsets.length && letters.offsets[letter]! < offset; letter++) {
      const [at, atMs, original] = [letters.offsets[letter]!, letters.arrivals[letter]!, letters.originals[letter]!]
      yield { offset: at, atMs, line: UNUSABLE, original }
    }
  }
  let row = 0
  if (path !== null)
    for await (const line of linesOf(path)) {
      const offset = rows.offsets[row]!
      yield* lettersBefore(offset)
      yield { offset, atMs: rows.arrivals[row]!, line }
      row++
    }
  yield* lettersBefore(Number.POSITIVE_INFINITY)
}

async function* batchesOf(
  partition: number,
  start: Offset,
  end: Offset,
  found: { readonly path: string | null; readonly rows: Places },
  letters: Letters | null,
): AsyncIterable<RecordBatch> {
  let [from, bytes, held] = [start, 0, [] as OneRecord[]]
  for await (const record of recordsOf(found, letters)) {
    if (held.length >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX) {
      yield batchOf(partition, from, record.offset, held)
      ;[from, bytes, held] = [record.offset, 0, []]
    }
    held.push(record)
    bytes += record.line.length
  }
  yield batchOf(partition, from, end, held)
}

function batchOf(partition: number, start: Offset, end: Offset, records: readonly OneRecord[]): RecordBatch {
  const originals = records.flatMap(({ original }, index) => (original ? [[index, original] as const] : []))
  return {
    partition,
    start,
    end,
    lines: Buffer.concat(records.map(({ line }) => line)),
    count: records.length,
    offsets: Float64Array.from(records, ({ offset }) => offset),
    arrivals: records.map(({ atMs }) => ({ count: 1, atMs })),
    originals: new Map(originals),
  }
}
