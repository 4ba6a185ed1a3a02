/**
 * The rows of an Arrow IPC stream. Its messages announce lengths that need no bytes (a column of nulls has none), so all of them are
 * checked before any column is built.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { MessageReader, type RecordBatch, RecordBatchReader } from 'apache-arrow'
import { type BodyLimits, OfferTooLargeError } from '../ingest-limits.ts'
import type { Rows } from '../rows.ts'
import { verifyMetadata } from './arrow-metadata.ts'
import { objectWriter, type Writer, writerOf } from './arrow-writers.ts'
import { BodyError } from './body-error.ts'
import { BuiltRows } from './built-rows.ts'
import { JsonOutput, TooLongError } from './json-output.ts'

const ROWS_PER_TURN = 1_000
const FILE_MARK = 'ARROW1'

/** @throws BodyError if it is not a complete stream of supported types; OfferTooLargeError */
export async function rowsOfArrow(body: Buffer, limits: BodyLimits): Promise<Rows> {
  if (body.subarray(0, FILE_MARK.length).toString('latin1') === FILE_MARK)
    throw new BodyError('the body is an Arrow file; send the IPC stream format')
  const rows = new BuiltRows(limits)
  try {
    verifyMetadata(body)
    assertSizes(body, limits)
    for (const batch of RecordBatchReader.from(body)) await addRows(batch, rows, limits.recordBytesMax)
  } catch (error) {
    if (error instanceof OfferTooLargeError || error instanceof BodyError) throw error
    throw new BodyError(`the body is not a valid Arrow IPC stream: ${(error as Error).message}`, { cause: error })
  }
  return rows.rows()
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

async function addRows(batch: RecordBatch, rows: BuiltRows, recordBytesMax: number): Promise<void> {
  const write = rowWriter(batch, recordBytesMax)
  const output = new JsonOutput(recordBytesMax)
  for (let row = 0; row < batch.numRows; row++) {
    if (row % ROWS_PER_TURN === ROWS_PER_TURN - 1) await turn()
    output.begin()
    try {
      write(output, row)
      if (output.length > recordBytesMax) throw new TooLongError()
    } catch (error) {
      const reason =
        error instanceof TooLongError
          ? `the row is longer than recordBytesMax = ${recordBytesMax} bytes`
          : (error as Error).message
      rows.fault(reason, undefined, output.length)
      continue
    }
    rows.addBytes(output.bytes, output.length)
  }
}

function rowWriter({ schema, data }: RecordBatch, bytesMax: number): Writer {
  const names = new Set<string>()
  return objectWriter(
    schema.fields.map(({ name }, at) => {
      if (names.has(name)) throw new BodyError(`two columns are named '${name}'`)
      names.add(name)
      return [name, named(name, writerOf(data.children[at]!, { name, bytesMax }))]
    }),
  )
}

/** Says in which column a value has no text. */
function named(name: string, write: Writer): Writer {
  return (output, row) => {
    try {
      write(output, row)
    } catch (error) {
      if (error instanceof TooLongError) throw error
      throw new RangeError(`column '${name}': ${(error as Error).message}`, { cause: error })
    }
  }
}
