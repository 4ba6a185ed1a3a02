/**
 * Decodes one micro-batch of the log into typed rows, for the stream role's fold and the independent recount.
 * DuckDB reads the batch as a file of JSON lines; it returns an unusable line as a row of
 * NULLs in its place, so that dead letters are identified by position and keep their original bytes.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CompiledDataset } from '#core/compiled.ts'
import { isTooDeep } from '#core/json-text.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { visibleText } from '#core/visible-text.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'
import { type EngineConnection, EngineMemoryError } from './duckdb-engine.ts'
import { ENGINE_LINE_BYTES_MAX, writeScratch } from './scratch-file.ts'

/** An unusable event, with what is needed to diagnose and resend it. */
export interface DeadLetter {
  readonly partition: number
  readonly offset: Offset
  readonly arrivalMs: number
  /** names the field */
  readonly reason: string
  readonly bytes: Buffer
}

export interface DecodeTarget {
  /** a table with the dataset's typed rows (see createRowsTable); the batch's usable rows are appended in offset order */
  readonly table: string
  /** a folder that the engine may read */
  readonly scratchFolder: string
}

/** A batch's lines, as the engine reads them. */
interface LinesFile {
  readonly path: string
  /** at least as long as every line */
  readonly objectBytesMax: number
}

const UNREAD = 'the engine could not read the record as JSON'

let scratchFiles = 0

/** Creates an empty temporary table for typed rows; it is dropped with the connection. */
export async function createRowsTable(
  connection: EngineConnection,
  dataset: CompiledDataset,
  table: string,
): Promise<void> {
  await connection.run(rowsTableSql(dataset, quoteName(table), 'TEMP '))
}

/** The statement that makes an empty table for typed rows. @param table its name in SQL; @param kind 'TEMP ': of one connection */
export function rowsTableSql(dataset: Pick<CompiledDataset, 'rowColumns'>, table: string, kind = ''): string {
  const columns = dataset.rowColumns.map((column) => `${quoteName(column.name)} ${column.type}`)
  return `CREATE ${kind}TABLE ${table} (${columns.join(', ')})`
}

/** Appends the batch's usable rows to the table and returns the unusable records. @throws if the result is not one row or dead letter per record */
export async function decodeBatch(
  connection: EngineConnection,
  dataset: CompiledDataset,
  batch: RecordBatch,
  target: DecodeTarget,
): Promise<readonly DeadLetter[]> {
  if (batch.count === 0) return []
  const path = join(
    target.scratchFolder,
    `batch-${process.pid}-${batch.partition}-${batch.start}-${++scratchFiles}.ndjson`,
  )
  const lines = hideDeep(batch.lines)
  const file = { path, objectBytesMax: objectBytesMax(lines) }
  try {
    await writeScratch(path, lines)
    try {
      const dead = await insertRows(connection, dataset, batch, target.table, file)
      if (!dead.some(({ reason }) => reason === UNREAD)) return dead
      // A line truncated after a colon also spoils the valid line after it: hide the truncated lines and read again.
      await connection.run(`DELETE FROM ${quoteName(target.table)} WHERE ${ofBatch(batch)}`)
      await writeScratch(path, hideBroken(batch, lines, dead), 'latin1')
      return await insertRows(connection, dataset, batch, target.table, file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== undefined || error instanceof StorageFileError || isEngineFault(error)) throw error
      // The reader refused the whole file: hide the lines that are not JSON; they become dead letters in any case.
      await writeScratch(path, blankUnparsable(lines))
      return await insertRows(connection, dataset, batch, target.table, file)
    }
  } finally {
    await rm(path, { force: true })
  }
}

/**
 * Appends the usable rows of several partitions' batches by one statement: for small batches, whose fixed cost it shares.
 * Where a record needs the slow path, each batch is decoded by itself.
 */
export async function decodeBatches(
  connection: EngineConnection,
  dataset: CompiledDataset,
  batches: readonly RecordBatch[],
  target: DecodeTarget,
): Promise<readonly DeadLetter[]> {
  const filled = batches.filter(({ count }) => count > 0)
  if (filled.length > 1) {
    const dead = await decodeTogether(connection, dataset, filled, target)
    if (dead !== null) return dead
  }
  const dead: DeadLetter[] = []
  for (const batch of filled) dead.push(...(await decodeBatch(connection, dataset, batch, target)))
  return dead
}

/** @returns null, and leaves the table as it was, when a line cannot be read together with the others */
async function decodeTogether(
  connection: EngineConnection,
  dataset: CompiledDataset,
  batches: readonly RecordBatch[],
  { table, scratchFolder }: DecodeTarget,
): Promise<readonly DeadLetter[] | null> {
  const lines = hideDeep(Buffer.concat(batches.map((batch) => batch.lines)))
  const path = join(scratchFolder, `batches-${process.pid}-${++scratchFiles}.ndjson`)
  const into = quoteName(table)
  const fresh = `(${batches.map((batch) => `(${ofBatch(batch)})`).join(' OR ')}) AND (${dataset.decode.rejectWhere})`
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  try {
    await writeScratch(path, lines)
    await connection.run('BEGIN TRANSACTION')
    const select = decodeTogetherSelect(dataset, batches, { path, objectBytesMax: objectBytesMax(lines) })
    const inserted = await connection.run(`INSERT INTO ${into} ${select}`)
    const [partitions, offsets, reasons] = await connection.columns(
      `SELECT _partition, _offset, ${dataset.decode.reason} FROM ${into} WHERE ${fresh}`,
    )
    const dead = batches.flatMap((batch) => {
      const isOwn = (_: unknown, index: number): boolean => partitions![index] === batch.partition
      return deadLetters(dataset, batch, rejectedOf(offsets!.filter(isOwn), reasons!.filter(isOwn)))
    })
    if (inserted !== count || dead.some(({ reason }) => reason === UNREAD)) {
      await connection.run('ROLLBACK')
      return null
    }
    if (dead.length > 0) await connection.run(`DELETE FROM ${into} WHERE ${fresh}`)
    await connection.run('COMMIT')
    return dead
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    if (error instanceof StorageFileError || isEngineFault(error)) throw error
    return null
  } finally {
    await rm(path, { force: true })
  }
}

function decodeTogetherSelect(dataset: CompiledDataset, batches: readonly RecordBatch[], file: LinesFile): string {
  const names = dataset.columns.map((column) => quoteName(column.name)).join(', ')
  const places = batches
    .map((batch) => `SELECT ${batch.partition}::INTEGER AS _partition, * FROM (${placesSelect(batch)})`)
    .join(' UNION ALL ')
  return `SELECT places._partition, places._offset, _time, places._arrival, ${names} FROM (${places}) AS places POSITIONAL JOIN (SELECT ${dataset.decode.project} FROM ${readerSql(dataset, file)}) AS decoded`
}

async function insertRows(
  connection: EngineConnection,
  dataset: CompiledDataset,
  batch: RecordBatch,
  table: string,
  file: LinesFile,
): Promise<readonly DeadLetter[]> {
  const into = quoteName(table)
  await connection.run('BEGIN TRANSACTION')
  try {
    const inserted = await connection.run(`INSERT INTO ${into} ${decodeSelect(dataset, batch, file)}`)
    if (inserted !== batch.count) {
      throw new Error(
        `dataset '${dataset.name}', partition ${batch.partition}, offsets [${batch.start}, ${batch.end}): ` +
          `${batch.count} records gave ${inserted} rows; the log contains a blank line or a record with a line break`,
      )
    }
    const fresh = `${ofBatch(batch)} AND (${dataset.decode.rejectWhere})`
    const [offsets, reasons] = await connection.columns(
      `SELECT _offset, ${dataset.decode.reason} FROM ${into} WHERE ${fresh} ORDER BY _offset`,
    )
    if (offsets!.length > 0) await connection.run(`DELETE FROM ${into} WHERE ${fresh}`)
    await connection.run('COMMIT')
    return deadLetters(dataset, batch, rejectedOf(offsets!, reasons!))
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}

/** Condition for the batch's rows: a recount has all partitions in one table. */
function ofBatch({ partition, start }: RecordBatch): string {
  return `_partition = ${partition} AND _offset >= ${start}`
}

/** SELECT that returns one typed row per record, in order, including unusable ones. */
function decodeSelect(dataset: CompiledDataset, batch: RecordBatch, file: LinesFile): string {
  const names = dataset.columns.map((column) => quoteName(column.name)).join(', ')
  const rows = `SELECT ${dataset.decode.project} FROM ${readerSql(dataset, file)}`
  const partition = `${batch.partition}::INTEGER AS _partition`
  const [only] = batch.arrivals
  if (batch.offsets === null && batch.arrivals.length === 1) {
    return `SELECT ${partition}, ${batch.start} + row_number() OVER () - 1 AS _offset, _time, ${only!.atMs}::BIGINT AS _arrival, ${names} FROM (${rows})`
  }
  return `SELECT ${partition}, places._offset, _time, places._arrival, ${names} FROM (${placesSelect(batch)}) AS places POSITIONAL JOIN (${rows}) AS decoded`
}

function readerSql(dataset: CompiledDataset, file: LinesFile): string {
  return `read_json(${quoteText(file.path)}, format = 'newline_delimited', ignore_errors = true, maximum_object_size = ${file.objectBytesMax}, columns = ${dataset.decode.jsonColumns})`
}

/** contiguous records that arrived together: [first offset, end offset, arrival] */
type PlaceRun = [from: Offset, until: Offset, atMs: number]

/** with fewer records per run, a list of the records is shorter */
const RECORDS_PER_RUN_MIN = 4

/** SELECT of offset and arrival of each record, in order. */
function placesSelect(batch: RecordBatch): string {
  const runs = placeRuns(batch, batch.count / RECORDS_PER_RUN_MIN)
  if (runs !== null) {
    const list = `SELECT unnest(from_json(${quoteText(JSON.stringify(runs))}, '[["BIGINT"]]')) AS run`
    return `SELECT unnest(range(run[1], run[2])) AS _offset, run[3] AS _arrival FROM (${list})`
  }
  const offsets = batch.offsets ?? Float64Array.from({ length: batch.count }, (_, index) => batch.start + index)
  const arrivals = batch.arrivals.flatMap((run) => new Array<number>(run.count).fill(run.atMs))
  const list = (numbers: ArrayLike<number>): string =>
    `unnest(from_json(${quoteText(`[${Array.prototype.join.call(numbers, ',')}]`)}, '["BIGINT"]'))`
  return `SELECT ${list(offsets)} AS _offset, ${list(arrivals)} AS _arrival`
}

/** Null if there are more than `runsMax` runs. */
function placeRuns({ start, offsets, arrivals }: RecordBatch, runsMax: number): PlaceRun[] | null {
  const runs: PlaceRun[] = []
  let index = 0
  for (const { count, atMs } of arrivals) {
    for (const end = index + count; index < end; ) {
      if (runs.length >= runsMax) return null
      const from = offsets?.[index] ?? start + index
      let until = from
      if (offsets === null) {
        until += end - index
        index = end
      } else {
        while (index < end && offsets[index] === until) {
          until++
          index++
        }
      }
      runs.push([from, until, atMs])
    }
  }
  return runs
}

/** An unusable record, and what the engine can tell of why it is one. */
interface Rejected {
  readonly offset: Offset
  readonly reason: string | null
}

function rejectedOf(offsets: readonly unknown[], reasons: readonly unknown[]): Rejected[] {
  return offsets.map((offset, index) => ({ offset: Number(offset), reason: reasons[index] as string | null }))
}

function deadLetters(dataset: CompiledDataset, batch: RecordBatch, rejected: readonly Rejected[]): DeadLetter[] {
  if (rejected.length === 0) return []
  const indexOf = new Map(batch.offsets ? Array.from(batch.offsets, (offset, index) => [offset, index]) : [])
  const wanted = new Map(
    rejected.map((each) => [batch.offsets ? indexOf.get(each.offset)! : each.offset - batch.start, each]),
  )
  const found: DeadLetter[] = []
  let index = 0
  let arrivalRun = 0
  let runEnd = batch.arrivals[0]!.count
  for (let from = 0; from < batch.lines.length; index++) {
    const end = batch.lines.indexOf(10, from)
    while (index >= runEnd) runEnd += batch.arrivals[++arrivalRun]!.count
    const unusable = wanted.get(index)
    if (unusable !== undefined) {
      const { offset } = unusable
      const original = batch.originals?.get(index)
      const line = batch.lines.subarray(from, end)
      const bytes = Buffer.from(original?.bytes ?? line)
      const why = original?.reason ?? dataset.explain(line.toString('utf8')) ?? unusable.reason ?? UNREAD
      const reason = visibleText(why)
      found.push({ partition: batch.partition, offset, arrivalMs: batch.arrivals[arrivalRun]!.atMs, reason, bytes })
    }
    from = end + 1
  }
  return found
}

function objectBytesMax(lines: Buffer): number {
  let longest = ENGINE_LINE_BYTES_MAX
  if (lines.length <= longest) return longest
  for (let from = 0, end = lines.indexOf(10); end !== -1; from = end + 1, end = lines.indexOf(10, from))
    longest = Math.max(longest, end + 1 - from)
  return longest
}

/** Running out of memory or disk is not caused by a line. */
function isEngineFault(error: unknown): boolean {
  return (
    error instanceof EngineMemoryError ||
    (error instanceof Error && /No space left|IO Error|INTERRUPT/i.test(error.message))
  )
}

/** Replaces with `null` every line whose nesting could overflow the engine's stack and crash the process. */
function hideDeep(lines: Buffer): Buffer {
  const parts: Buffer[] = []
  let kept = 0
  for (let from = 0, end = lines.indexOf(10); end !== -1; from = end + 1, end = lines.indexOf(10, from)) {
    if (!isTooDeep(lines.subarray(from, end))) continue
    parts.push(lines.subarray(kept, from), Buffer.from('null'))
    kept = end
  }
  return kept === 0 ? lines : Buffer.concat([...parts, lines.subarray(kept)])
}

/** Replaces with `null` every dead letter that is not JSON; latin1 preserves all other bytes. */
function hideBroken(batch: RecordBatch, lines: Buffer, dead: readonly DeadLetter[]): string {
  const texts = lines.toString('latin1').split('\n')
  const indexOf = new Map(batch.offsets ? Array.from(batch.offsets, (offset, index) => [offset, index]) : [])
  for (const { offset } of dead) {
    const index = batch.offsets ? indexOf.get(offset)! : offset - batch.start
    try {
      JSON.parse(Buffer.from(texts[index]!, 'latin1').toString('utf8'))
    } catch {
      texts[index] = 'null'
    }
  }
  return texts.join('\n')
}

function blankUnparsable(lines: Buffer): string {
  return lines
    .toString('utf8')
    .split('\n')
    .map((line) => {
      try {
        return line === '' || JSON.parse(line) ? line : 'null'
      } catch {
        return 'null'
      }
    })
    .join('\n')
}
