/**
 * A pool of number columns. Columns of one answer, or of one moment, live briefly, but V8 counts the memory behind typed arrays and
 * keeps starting collections of its whole heap for it, on all of its threads.
 */

/** bytes that the pool holds */
const HELD_BYTES_MAX = 8 * 1024 * 1024
/** A buffer that is larger than this multiple of what is needed stays in the pool, for a larger column. */
const ROOM_MAX = 4
/** Buffers are made larger than needed, so that they also fit columns that have grown a little. */
const GROWTH = 1.25

/**
 * ```ts
 * const spare = new SpareColumns()
 * const column = spare.take(2) // Float64Array [NaN, NaN]
 * spare.give([column])
 * spare.take(2) // reuses the memory, filled with NaN
 * ```
 */
export class SpareColumns {
  readonly #bytesMax: number
  /** least recently returned first */
  readonly #free: ArrayBufferLike[] = []
  #bytes = 0

  /** @param bytesMax default 8 MiB */
  constructor(bytesMax = HELD_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** bytes in the pool */
  get bytes(): number {
    return this.#bytes
  }

  /** A column of this length, filled with NaN. */
  take(length: number): Float64Array {
    const bytes = length * Float64Array.BYTES_PER_ELEMENT
    const found = this.#free.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= ROOM_MAX * bytes)
    return new Float64Array(found < 0 ? bufferFor(length) : this.#remove(found), 0, length).fill(Number.NaN)
  }

  /** Returns columns to the pool. They must not be used afterwards. @param columns that were taken from it; it may have holes */
  give(columns: readonly Float64Array[]): void {
    // Unlike for…of, forEach skips holes.
    columns.forEach(({ buffer }) => {
      this.#free.push(buffer)
      this.#bytes += buffer.byteLength
    })
    while (this.#bytes > this.#bytesMax) this.#remove(0)
  }

  #remove(index: number): ArrayBufferLike {
    const [buffer] = this.#free.splice(index, 1)
    this.#bytes -= buffer!.byteLength
    return buffer!
  }
}

function bufferFor(length: number): ArrayBuffer {
  return new ArrayBuffer(Math.ceil(length * GROWTH) * Float64Array.BYTES_PER_ELEMENT)
}
