/**
 * The rows of an Arrow IPC stream. Its messages announce lengths that need no bytes (a column of nulls has none), so all of them are
 * checked before any column is built.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { DataType, MessageReader, type RecordBatch, RecordBatchReader, type Schema } from 'apache-arrow'
import type { FlatShape } from '#core/flat-scan.ts'
import { type BodyLimits, OfferTooLargeError } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'
import { verifyMetadata } from './arrow-metadata.ts'
import { writerOf } from './arrow-writers.ts'
import { BodyError } from './body-error.ts'
import { BuiltRows } from './built-rows.ts'
import { TooLongError, type Writer } from './json-output.ts'

const ROWS_PER_TURN = 1_000
const [OPEN_OBJECT, CLOSE_OBJECT] = [0x7b, 0x7d]
const FILE_MARK = 'ARROW1'

/** @throws BodyError if it is not a complete stream of supported types; OfferTooLargeError */
export async function rowsOfArrow(body: Buffer, limits: BodyLimits): Promise<Rows> {
  if (body.subarray(0, FILE_MARK.length).toString('latin1') === FILE_MARK)
    throw new BodyError('the body is an Arrow file; send the IPC stream format')
  const { recordBytesMax } = limits
  try {
    verifyMetadata(body)
    assertSizes(body, limits)
    let rows: BuiltRows | null = null
    for (const batch of RecordBatchReader.from(body)) {
      rows ??= new BuiltRows(limits, shapeOf(batch.schema))
      await addRows(writersOf(batch, recordBytesMax), batch.numRows, rows, recordBytesMax)
    }
    return (rows ?? new BuiltRows(limits)).rows()
  } catch (error) {
    if (error instanceof OfferTooLargeError || error instanceof BodyError) throw error
    throw new BodyError(`the body is not a valid Arrow IPC stream: ${(error as Error).message}`, { cause: error })
  }
}

/** Whether no message announces more than the limits, or than its bytes can hold. */
function assertSizes(body: Buffer, { rowsMax }: BodyLimits): void {
  const reader = new MessageReader(body)
  const valuesMax = Math.max(rowsMax, 8 * body.length)
  let rows = 0
  if (reader.readSchema() === undefined) throw new BodyError('the body has no Arrow schema')
  for (const message of reader) {
    if (message.isSchema()) throw new BodyError('the body has more than one Arrow schema')
    const batch = message.isDictionaryBatch()
      ? message.header().data
      : message.isRecordBatch()
        ? message.header()
        : null
    if (batch === null) throw new BodyError('the body has Arrow messages other than record batches')
    if (batch.compression !== null)
      throw new BodyError(
        'its record batches are compressed; send them uncompressed, with content-encoding gzip if needed',
      )
    if (message.isRecordBatch()) rows += batch.length
    if (rows > rowsMax) throw new OfferTooLargeError('the body', rows, 'events', 'requestRowsMax', rowsMax)
    for (const { length } of [batch, ...batch.nodes])
      if (length < 0 || length > valuesMax)
        throw new BodyError(`a column announces ${length} values, more than it can hold`)
    for (const { offset, length } of batch.buffers)
      if (offset < 0 || length < 0 || offset + length > message.bodyLength)
        throw new BodyError('a buffer is not within its record batch')
    if (reader.readMessageBody(message.bodyLength).length < message.bodyLength)
      throw new BodyError('the last record batch is not complete')
  }
}

async function addRows(
  columns: readonly NamedWriter[],
  count: number,
  rows: BuiltRows,
  recordBytesMax: number,
): Promise<void> {
  const { output } = rows
  for (let row = 0; row < count; row++) {
    if (row % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn()
    rows.begin()
    let at = 0
    try {
      for (; at < columns.length; at++) {
        const { key, write } = columns[at]!
        output.raw(key)
        write(output, row)
        rows.valueEnded(at)
      }
      if (columns.length === 0) output.byte(OPEN_OBJECT)
      output.byte(CLOSE_OBJECT)
      if (output.length > recordBytesMax) throw new TooLongError()
    } catch (error) {
      const reason =
        error instanceof TooLongError
          ? `the row is longer than recordBytesMax = ${recordBytesMax} bytes`
          : `column '${columns[at]!.name}': ${(error as Error).message}`
      rows.fault(reason)
      continue
    }
    rows.end()
  }
}

interface NamedWriter {
  readonly name: string
  readonly key: Buffer
  readonly write: Writer
}

/** @throws BodyError */
function writersOf({ schema, data }: RecordBatch, bytesMax: number): NamedWriter[] {
  const keys = keysOf(schema)
  return schema.fields.map(({ name }, at) => {
    return { name, key: keys[at]!, write: writerOf(data.children[at]!, { name, bytesMax }) }
  })
}

/** The names as JSON, each with what is before it in a row. @throws BodyError if one is repeated */
function keysOf({ fields }: Schema): Buffer[] {
  const names = new Set<string>()
  return fields.map(({ name }, at) => {
    if (names.has(name)) throw new BodyError(`two columns are named '${name}'`)
    names.add(name)
    return Buffer.from(`${at === 0 ? '{' : ','}${JSON.stringify(name)}:`)
  })
}

/** null: some value is an object or a list */
function shapeOf(schema: Schema): FlatShape | null {
  if (schema.fields.some(({ type }) => isNested(type))) return null
  return { names: schema.fields.map(({ name }) => name), keyBytes: keysOf(schema).map(({ length }) => length) }
}

function isNested(type: DataType): boolean {
  if (DataType.isDictionary(type)) return isNested(type.dictionary)
  return (type.children?.length ?? 0) > 0
}
