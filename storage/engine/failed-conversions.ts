/** Finds the failed conversions of a decoded batch. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecodedDataset } from '#core/compiled.ts'
import { sumByColumn } from '#core/conversion-failures.ts'
import type { Noted } from '#core/conversion-failures-sql.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName, quoteText } from '#core/sql-names.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import { type LinesFile, lineBytesMax, linesAt } from './batch-lines.ts'
import type { EngineConnection } from './engine-connection.ts'
import { fromPlaces } from './record-places.ts'
import { writeScratch } from './scratch-file.ts'

const LINE_END = Buffer.from('\n')

let scratchFiles = 0

/** A table with the batch's typed rows. */
export interface DecodedRows {
  readonly table: string
  /**
   * 'reject': only failed conversions that make a record unusable are looked for, which takes nothing where no column says so; 'derived': only
   * failed derivations; default 'all'
   */
  readonly failures?: Noted
  /** a folder that the engine may read */
  readonly scratchFolder: string
}

export interface Failures {
  /** rows that a failed conversion makes unusable, and why where the engine alone can tell */
  readonly rejected: readonly { readonly offset: Offset; readonly reason: string | null }[]
  /** column → usable rows in which a value could not be converted; only columns with such rows */
  readonly unconverted: Readonly<Record<string, number>>
}

/** The failed conversions in the batch's usable rows: of those that the decoding noted, the lines are read again, as JSON. */
export async function failuresIn(
  connection: EngineConnection,
  { decode }: DecodedDataset,
  batch: RecordBatch,
  { table, scratchFolder, failures = 'all' }: DecodedRows,
): Promise<Failures> {
  const { event, types, failed, rejected } = decode.failures
  const looked = failures !== 'reject' ? '' : ` AND list_has_any(_unset, ${textList(decode.rejecting)})`
  if (failures === 'reject' && decode.rejecting.length === 0) return { rejected: [], unconverted: {} }
  const noted = `SELECT * FROM ${quoteName(table)} WHERE ${ofBatch(batch)} AND _unset IS NOT NULL AND (${decode.rejectWhere}) IS NOT TRUE${looked} ORDER BY _offset`
  const [offsets] = await connection.columns(`SELECT _offset FROM (${noted})`)
  if (offsets!.length === 0) return { rejected: [], unconverted: {} }
  const path = join(scratchFolder, `noted-${process.pid}-${++scratchFiles}.ndjson`)
  const lines = Buffer.concat([...linesAt(batch, offsets!.map(Number))].flatMap(({ line }) => [line, LINE_END]))
  try {
    await writeScratch(path, lines)
    const file = { path, objectBytesMax: lineBytesMax(lines) }
    const looks = `SELECT *, ${types} AS _types FROM (${noted}) POSITIONAL JOIN ${objectsSql(file)} AS objects(${event})`
    const [found, names, reasons] = await connection.columns(
      `SELECT _offset, failed, reason FROM (SELECT _offset, ${failed} AS failed, ${rejected} AS reason FROM (${looks})) WHERE failed <> ''`,
    )
    return failuresOf(
      decode,
      found!.map(Number),
      (names as string[]).map((list) => list.split(',')),
      reasons as (string | null)[],
    )
  } finally {
    await rm(path, { force: true })
  }
}

function failuresOf(
  { rejecting }: DecodedDataset['decode'],
  offsets: readonly Offset[],
  columns: readonly (readonly string[])[],
  reasons: readonly (string | null)[],
): Failures {
  const isRejected = columns.map((names) => names.some((name) => rejecting.includes(name)))
  const kept = columns.filter((_, index) => !isRejected[index]).map((names) => names.map((name) => [name, 1] as const))
  return {
    rejected: offsets.flatMap((offset, index) => (isRejected[index] ? [{ offset, reason: reasons[index]! }] : [])),
    unconverted: sumByColumn(kept.map((names) => Object.fromEntries(names))),
  }
}

function objectsSql(file: LinesFile): string {
  return `read_json_objects(${quoteText(file.path)}, format = 'newline_delimited', ignore_errors = true, maximum_object_size = ${file.objectBytesMax})`
}

function textList(names: readonly string[]): string {
  return `[${names.map(quoteText).join(', ')}]`
}

/** Condition for the batch's rows: a recount has all partitions in one table. */
export function ofBatch({ partition, start }: RecordBatch): string {
  return fromPlaces(new Map([[partition, start]]))
}
