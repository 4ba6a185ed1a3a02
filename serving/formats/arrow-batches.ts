/** The bytes of an Arrow IPC stream whose rows come in chunks of the engine: schema, record batches, end. */
import { makeData, RecordBatch, type Schema, Struct } from 'apache-arrow'
import type { SqlColumn } from '#core/compiled.ts'
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import { type ArrowColumn, arrowColumn } from './arrow-columns.ts'
import { ArrowPieces, type Pieces } from './arrow-pieces.ts'
import { arrowSchema } from './arrow-types.ts'
import { columnKind } from './column-kinds.ts'

/** rows of a record batch */
const BATCH_ROWS = 65_536
/** bytes of texts in a column of a record batch, which is in memory as a whole; the chunk that reaches them is still taken */
export const BATCH_TEXT_BYTES = 8 * 1024 * 1024
/** rows of the engine's chunks */
const CHUNK_ROWS_MAX = 2_048

export class ArrowBatches {
  readonly #schema: Schema
  /** of the batch that is filled, and of the one before, which is written meanwhile */
  #columns: readonly ArrowColumn[]
  #others: readonly ArrowColumn[]
  readonly #stream: ArrowPieces
  #rows = 0

  constructor(columns: readonly SqlColumn[], metaJson: string) {
    this.#schema = arrowSchema(columns, metaJson)
    const empty = (): ArrowColumn[] => columns.map(({ type }) => arrowColumn(columnKind(type), BATCH_ROWS))
    this.#columns = empty()
    this.#others = empty()
    this.#stream = new ArrowPieces(this.#schema)
  }

  /** Whether another chunk belongs to the present record batch; otherwise `flush` comes first. */
  get hasRoom(): boolean {
    // Bits of a column are copied as whole bytes.
    if (this.#rows % 8 !== 0 || this.#rows + CHUNK_ROWS_MAX > BATCH_ROWS) return false
    return this.#columns.every(({ textBytes }) => textBytes < BATCH_TEXT_BYTES)
  }

  add(chunk: EngineChunk): void {
    for (const [index, column] of this.#columns.entries()) column.add(chunk, index, this.#rows)
    this.#rows += chunk.rows
  }

  /** What is to be written of the stream so far: the record batch of the rows since the last time, if there are any. Valid until the next time. */
  flush(): Pieces {
    if (this.#rows > 0) {
      const children = this.#columns.map((column) => column.finish(this.#rows))
      const { fields } = this.#schema
      const data = makeData({ type: new Struct(fields), length: this.#rows, nullCount: 0, children })
      this.#rows = 0
      ;[this.#columns, this.#others] = [this.#others, this.#columns]
      this.#stream.write(new RecordBatch(this.#schema, data))
    }
    return this.#stream.taken()
  }

  /** As `flush`, with the end of the stream. */
  finish(): Pieces {
    const last = this.flush()
    this.#stream.finish()
    return [...last, ...this.#stream.taken()]
  }
}
