/**
 * Decodes one micro-batch of the log into typed rows, for the stream role's fold and the independent recount.
 * DuckDB reads the batch as a file of JSON lines; it returns an unusable line as a row of
 * NULLs in its place, so that dead letters are identified by position and keep their original bytes.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecodedDataset } from '#core/compiled.ts'
import { sumByColumn } from '#core/conversion-failures.ts'
import { UNSET } from '#core/conversion-failures-sql.ts'
import { unframed } from '#core/framed-record.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import { visibleText } from '#core/visible-text.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'
import { blankUnparsable, type LinesFile, lineBytesMax, linesAt, linesToRead } from './batch-lines.ts'
import type { EngineChunk } from './engine-chunk.ts'
import { type EngineConnection, EngineMemoryError } from './engine-connection.ts'
import { type DecodedRows, type Failures, failuresIn, ofBatch } from './failed-conversions.ts'
import { allPlacesSelect, fromPlaces, placesSelect } from './record-places.ts'
import { writeScratch } from './scratch-file.ts'

/** An unusable event, with what is needed to diagnose and resend it. */
export interface DeadLetter {
  readonly partition: number
  readonly offset: Offset
  readonly arrivalMs: number
  /** names the field */
  readonly reason: string
  readonly bytes: Buffer
}

/** What became of a batch's records that are not simply rows. */
export interface Decoded {
  readonly dead: readonly DeadLetter[]
  /** column → usable rows in which a value could not be converted; only columns with such rows */
  readonly unconverted: Readonly<Record<string, number>>
  /** with `returning`: partition, offset and value of each row that was decoded, also of those that became dead letters */
  readonly returned: readonly EngineChunk[]
}

export interface DecodeTarget extends DecodedRows {
  /** a table with the dataset's typed rows (see createRowsTable); the batch's usable rows are appended in offset order */
  readonly table: string
  /**
   * SQL of a value of each row, to be returned: nothing is looked for in the table then, which can hold many other rows. For small batches: one thread
   * inserts them
   */
  readonly returning?: string
}

const NOTHING: Decoded = { dead: [], unconverted: {}, returned: [] }
const UNREAD = 'the engine could not read the record as JSON'

/** column that says which of the returned rows are unusable */
const UNUSABLE = 3

let scratchFiles = 0

/** Creates an empty temporary table for typed rows, in place of one of that name; it is dropped with the connection. */
export async function createRowsTable(
  connection: EngineConnection,
  dataset: DecodedDataset,
  table: string,
): Promise<void> {
  await connection.run(rowsTableSql(dataset, quoteName(table), 'OR REPLACE TEMP '))
}

/** A SELECT list that gives typed rows of such a table, without what only decoding needs. */
export function typedColumnsSql(dataset: Pick<DecodedDataset, 'rowColumns'>): string {
  return dataset.rowColumns.map(({ name }) => quoteName(name)).join(', ')
}

/** The statement that makes an empty table for typed rows. @param table its name in SQL; @param kind e.g. 'TEMP ': of one connection */
export function rowsTableSql(dataset: Pick<DecodedDataset, 'rowColumns'>, table: string, kind = ''): string {
  const columns = [...dataset.rowColumns, UNSET].map((column) => `${quoteName(column.name)} ${column.type}`)
  return `CREATE ${kind}TABLE ${table} (${columns.join(', ')})`
}

/** Appends the batch's usable rows to the table and returns the unusable records and failed conversions. @throws if the result is not one row or dead letter per record */
export async function decodeBatch(
  connection: EngineConnection,
  dataset: DecodedDataset,
  batch: RecordBatch,
  target: DecodeTarget,
): Promise<Decoded> {
  if (batch.count === 0) return NOTHING
  const path = join(
    target.scratchFolder,
    `batch-${process.pid}-${batch.partition}-${batch.start}-${++scratchFiles}.ndjson`,
  )
  const lines = linesToRead(batch)
  const file = { path, objectBytesMax: lineBytesMax(lines) }
  try {
    await writeScratch(path, lines)
    try {
      return await insertRows(connection, dataset, batch, target, file)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== undefined || error instanceof StorageFileError || isEngineFault(error)) throw error
      // The reader refused the whole file: hide the lines that are not JSON; they become dead letters in any case.
      await writeScratch(path, blankUnparsable(lines), 'latin1')
      return await insertRows(connection, dataset, batch, target, file)
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
  dataset: DecodedDataset,
  batches: readonly RecordBatch[],
  target: DecodeTarget,
): Promise<Decoded> {
  const filled = batches.filter(({ count }) => count > 0)
  if (filled.length > 1) {
    const decoded = await decodeTogether(connection, dataset, filled, target)
    if (decoded !== null) return decoded
  }
  const all: Decoded[] = []
  for (const batch of filled) all.push(await decodeBatch(connection, dataset, batch, target))
  return {
    dead: all.flatMap(({ dead }) => dead),
    unconverted: sumByColumn(all.map((each) => each.unconverted)),
    returned: all.flatMap(({ returned }) => returned),
  }
}

/** @returns null, and leaves the table as it was, when a line cannot be read together with the others */
async function decodeTogether(
  connection: EngineConnection,
  dataset: DecodedDataset,
  batches: readonly RecordBatch[],
  target: DecodeTarget,
): Promise<Decoded | null> {
  const { table, scratchFolder } = target
  const lines = batches.map(linesToRead)
  const path = join(scratchFolder, `batches-${process.pid}-${++scratchFiles}.ndjson`)
  const into = quoteName(table)
  const fresh = `(${fromPlaces(new Map(batches.map(({ partition, start }) => [partition, start])))})`
  const unusable = `${fresh} AND (${dataset.decode.rejectWhere})`
  const count = batches.reduce((sum, batch) => sum + batch.count, 0)
  try {
    await writeScratch(path, lines)
    await connection.run('BEGIN TRANSACTION')
    const file = { path, objectBytesMax: Math.max(...lines.map(lineBytesMax)) }
    const select = decodeTogetherSelect(dataset, batches, decodedSql(dataset, file, target))
    const { inserted, returned, unusableRows } = await insert(connection, dataset, target, select, unusable)
    const failures: Failures[] = []
    for (const batch of batches) failures.push(await failuresIn(connection, dataset, batch, target))
    const dead = batches.flatMap((batch, at) => {
      const own = unusableRows.filter(({ partition }) => partition === batch.partition)
      return deadLetters(dataset, batch, [...own, ...failures[at]!.rejected])
    })
    if (inserted !== count) {
      await connection.run('ROLLBACK')
      return null
    }
    if (dead.length > 0) await connection.run(`DELETE FROM ${into} WHERE ${deadWhere(fresh, dead)}`)
    await connection.run('COMMIT')
    return { dead, unconverted: sumByColumn(failures.map((each) => each.unconverted)), returned }
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    if (error instanceof StorageFileError || isEngineFault(error)) throw error
    return null
  } finally {
    await rm(path, { force: true })
  }
}

function decodeTogetherSelect(dataset: DecodedDataset, batches: readonly RecordBatch[], decoded: string): string {
  const names = [...dataset.columns, UNSET].map((column) => quoteName(column.name)).join(', ')
  const places = allPlacesSelect(batches)
  return `SELECT places._partition, places._offset, _time, places._arrival, ${names} FROM (${places}) AS places POSITIONAL JOIN (${decoded}) AS decoded`
}

async function insertRows(
  connection: EngineConnection,
  dataset: DecodedDataset,
  batch: RecordBatch,
  target: DecodeTarget,
  file: LinesFile,
): Promise<Decoded> {
  const into = quoteName(target.table)
  await connection.run('BEGIN TRANSACTION')
  try {
    const select = decodeSelect(dataset, batch, decodedSql(dataset, file, target))
    const unusable = `${ofBatch(batch)} AND (${dataset.decode.rejectWhere})`
    const { inserted, returned, unusableRows } = await insert(connection, dataset, target, select, unusable)
    if (inserted !== batch.count) {
      throw new Error(
        `dataset '${dataset.name}', partition ${batch.partition}, offsets [${batch.start}, ${batch.end}): ` +
          `${batch.count} records gave ${inserted} rows; the log contains a blank line or a record with a line break`,
      )
    }
    const { rejected, unconverted } = await failuresIn(connection, dataset, batch, target)
    const all = [...unusableRows, ...rejected]
    const dead = deadLetters(dataset, batch, all)
    if (dead.length > 0) await connection.run(`DELETE FROM ${into} WHERE ${deadWhere(ofBatch(batch), dead)}`)
    await connection.run('COMMIT')
    return { dead, unconverted, returned }
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => {})
    throw error
  }
}

interface Inserted {
  /** rows */
  readonly inserted: number
  readonly returned: readonly EngineChunk[]
  readonly unusableRows: readonly RejectedRow[]
}

/** @param unusable condition for the unusable ones of the inserted rows */
async function insert(
  connection: EngineConnection,
  dataset: DecodedDataset,
  { table, returning }: DecodeTarget,
  select: string,
  unusable: string,
): Promise<Inserted> {
  const into = quoteName(table)
  if (returning === undefined) {
    const inserted = await connection.run(`INSERT INTO ${into} ${select}`)
    return { inserted, returned: [], unusableRows: await rejectedIn(connection, dataset, into, unusable) }
  }
  const returned = await connection.returned(
    `INSERT INTO ${into} ${select} RETURNING _partition, _offset, ${returning}, (${dataset.decode.rejectWhere}) IS TRUE`,
  )
  const isUnusable = returned.some((chunk) => chunk.values(UNUSABLE).includes(true))
  return {
    inserted: returned.reduce((sum, { rows }) => sum + rows, 0),
    returned,
    unusableRows: isUnusable ? await rejectedIn(connection, dataset, into, unusable) : [],
  }
}

/** SELECT that returns one typed row per record, in order, including unusable ones. */
function decodeSelect(dataset: DecodedDataset, batch: RecordBatch, rows: string): string {
  const names = [...dataset.columns, UNSET].map((column) => quoteName(column.name)).join(', ')
  const partition = `${batch.partition}::INTEGER AS _partition`
  const [only] = batch.arrivals
  if (batch.offsets === null && batch.arrivals.length === 1) {
    return `SELECT ${partition}, ${batch.start} + row_number() OVER () - 1 AS _offset, _time, ${only!.atMs}::BIGINT AS _arrival, ${names} FROM (${rows})`
  }
  return `SELECT ${partition}, places._offset, _time, places._arrival, ${names} FROM (${placesSelect(batch)}) AS places POSITIONAL JOIN (${rows}) AS decoded`
}

/** SELECT that returns each line's event time, columns and notes, in order. */
function decodedSql({ decode }: DecodedDataset, file: LinesFile, { failures = 'all' }: DecodeTarget): string {
  return decode.rowsSql(readerSql(decode, file), { notes: failures })
}

function readerSql({ jsonColumns }: DecodedDataset['decode'], file: LinesFile): string {
  return `read_json(${quoteText(file.path)}, format = 'newline_delimited', ignore_errors = true, maximum_object_size = ${file.objectBytesMax}, columns = ${jsonColumns})`
}

/** Condition for the rows of dead letters. @param fresh condition for all rows of the batches */
function deadWhere(fresh: string, dead: readonly DeadLetter[]): string {
  const places = [...Map.groupBy(dead, ({ partition }) => partition)].map(([partition, letters]) => {
    const offsets = `from_json(${quoteText(JSON.stringify(letters.map(({ offset }) => offset)))}, '["BIGINT"]')`
    return `(_partition = ${partition} AND _offset IN (SELECT unnest(${offsets})))`
  })
  return `${fresh} AND (${places.join(' OR ')})`
}

/** An unusable record, and what the engine can tell of why it is one. */
interface Rejected {
  readonly offset: Offset
  readonly reason: string | null
}

interface RejectedRow extends Rejected {
  readonly partition: number
}

/**
 * The unusable rows. The reasons are texts longer than the condition itself, and most batches have no such row: they are asked for, and
 * planned, only if there is one.
 */
async function rejectedIn(
  connection: EngineConnection,
  { decode }: DecodedDataset,
  into: string,
  unusable: string,
): Promise<RejectedRow[]> {
  const [found] = await connection.columns(`SELECT _offset FROM ${into} WHERE ${unusable}`)
  if (found!.length === 0) return []
  const [partitions, offsets, reasons] = await connection.columns(
    `SELECT _partition, _offset, ${decode.reason} FROM ${into} WHERE ${unusable}`,
  )
  return offsets!.map((offset, index) => ({
    partition: partitions![index] as number,
    offset: Number(offset),
    reason: reasons![index] as string | null,
  }))
}

function deadLetters(dataset: DecodedDataset, batch: RecordBatch, rejected: readonly Rejected[]): DeadLetter[] {
  const found = new Map(rejected.map((each) => [each.offset, each]))
  return [...linesAt(batch, [...found.keys()])].map(({ index, offset, line, arrivalMs }) => {
    const original = batch.originals?.get(index) ?? unframed(line)
    const bytes = Buffer.from(original?.bytes ?? line)
    const text = line.toString('utf8')
    const explained = original?.reason ?? dataset.explain(text, arrivalMs)
    const reason = explained ?? found.get(offset)!.reason ?? UNREAD
    return { partition: batch.partition, offset, arrivalMs, reason: visibleText(reason), bytes }
  })
}

/** Running out of memory or disk is not caused by a line. */
function isEngineFault(error: unknown): boolean {
  return (
    error instanceof EngineMemoryError ||
    (error instanceof Error && /No space left|IO Error|INTERRUPT/i.test(error.message))
  )
}
