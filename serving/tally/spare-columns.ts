/**
 * Columns of numbers that are used again, once what they held is no longer read. V8 counts the memory behind typed arrays and collects its
 * whole heap for it again and again, on all of its threads, although no such array lives longer than one answer or one moment.
 */

/** columns that are kept for the next use */
const KEPT_MAX = 64
/** A column that has more room than this multiple of what is wanted is left for a larger one. */
const ROOM_MAX = 4
/** room beyond what is wanted, for a use that needs a little more */
const SPARE_SHARE = 1.25

/**
 * ```ts
 * const spare = new SpareColumns()
 * const column = spare.take(2) // Float64Array [NaN, NaN]
 * spare.give([column])
 * spare.take(2) // has the same memory, filled with NaN
 * ```
 */
export class SpareColumns {
  readonly #free: ArrayBufferLike[] = []

  /** A column of this length, all NaN. Only whoever takes it may use it until it is given back. */
  take(length: number): Float64Array {
    const bytes = length * Float64Array.BYTES_PER_ELEMENT
    const found = this.#free.findIndex(({ byteLength }) => byteLength >= bytes && byteLength <= ROOM_MAX * bytes)
    const [buffer] = found < 0 ? [roomFor(length)] : this.#free.splice(found, 1)
    return new Float64Array(buffer!, 0, length).fill(Number.NaN)
  }

  /** Gives columns back that were taken here. They must not be used afterwards. */
  give(columns: Iterable<Float64Array>): void {
    for (const { buffer } of columns) {
      if (this.#free.length >= KEPT_MAX) this.#free.shift()
      this.#free.push(buffer)
    }
  }
}

function roomFor(length: number): ArrayBuffer {
  return new ArrayBuffer(Math.ceil(length * SPARE_SHARE) * Float64Array.BYTES_PER_ELEMENT)
}
