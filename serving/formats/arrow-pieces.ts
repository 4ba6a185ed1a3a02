/** Arrow's stream writer, which copies the values of a batch into a queue otherwise: its bytes are taken where they are. */
import { RecordBatchStreamWriter, type Schema } from 'apache-arrow'

/** Bytes one after the other, in as many pieces as they have in memory. */
export type Pieces = readonly Uint8Array[]

export class ArrowPieces extends RecordBatchStreamWriter {
  #pieces: Uint8Array[] = []

  constructor(schema: Schema) {
    super()
    this.reset(undefined, schema)
  }

  /** What was written since the last time; a batch's pieces are the memory of its columns. */
  taken(): Pieces {
    const pieces = this.#pieces
    this.#pieces = []
    return pieces
  }

  protected override _write(chunk: ArrayBufferView): this {
    if (this._started && chunk.byteLength > 0)
      this.#pieces.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    return this
  }
}
