/** The bytes of an Arrow IPC stream whose rows come in chunks of the engine: schema, record batches, end. */
import { makeData, RecordBatch, RecordBatchStreamWriter, type Schema, Struct } from 'apache-arrow'
import type { SqlColumn } from '#core/compiled.ts'
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import { type ArrowColumn, arrowColumn } from './arrow-columns.ts'
import { arrowSchema } from './arrow-types.ts'
import { columnKind } from './column-kinds.ts'

/** rows of a record batch */
const BATCH_ROWS = 65_536
/** bytes of texts in a column of a record batch, which is in memory as a whole; the chunk that reaches them is still taken */
export const BATCH_TEXT_BYTES = 16 * 1024 * 1024
/** rows of the engine's chunks */
const CHUNK_ROWS_MAX = 2_048
/** marks the end of a stream */
const END_BYTES = 8

export class ArrowBatches {
  readonly #schema: Schema
  readonly #columns: readonly ArrowColumn[]
  readonly #start: Buffer
  #rows = 0

  constructor(columns: readonly SqlColumn[], metaJson: string) {
    this.#schema = arrowSchema(columns, metaJson)
    this.#columns = columns.map(({ type }) => arrowColumn(columnKind(type), BATCH_ROWS))
    this.#start = this.#stream(null)
  }

  /** What the stream begins with. */
  get start(): Buffer {
    return this.#start.subarray(0, -END_BYTES)
  }

  get end(): Buffer {
    return this.#start.subarray(-END_BYTES)
  }

  /** Takes the chunk's rows. @returns the bytes of a record batch, when one is full */
  add(chunk: EngineChunk): Buffer | null {
    // Bits of a column are copied as whole bytes.
    const hasRoom = this.#rows % 8 === 0 && this.#rows + CHUNK_ROWS_MAX <= BATCH_ROWS
    const isLarge = this.#columns.some(({ textBytes }) => textBytes >= BATCH_TEXT_BYTES)
    const before = hasRoom && !isLarge ? null : this.flush()
    for (const [index, column] of this.#columns.entries()) column.add(chunk, index, this.#rows)
    this.#rows += chunk.rows
    return before
  }

  /** The record batch of the rows since the last one; null: there are none. */
  flush(): Buffer | null {
    if (this.#rows === 0) return null
    const children = this.#columns.map((column) => column.finish(this.#rows))
    const { fields } = this.#schema
    const data = makeData({ type: new Struct(fields), length: this.#rows, nullCount: 0, children })
    this.#rows = 0
    const stream = this.#stream(new RecordBatch(this.#schema, data))
    return stream.subarray(this.#start.length - END_BYTES, -END_BYTES)
  }

  #stream(batch: RecordBatch | null): Buffer {
    const writer = new RecordBatchStreamWriter()
    writer.reset(undefined, this.#schema)
    if (batch !== null) writer.write(batch)
    writer.finish()
    const bytes = writer.toUint8Array(true)
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}
