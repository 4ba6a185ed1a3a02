/** The JSON texts that a column of a tally says, numbered; texts that no row refers to are removed from time to time. */
import { TextNumbers } from './text-numbers.ts'

/** bytes of texts that are new since the last time, beyond which they are */
const NEW_BYTES_MIN = 4 * 1024 * 1024
/** of an entry beside its text */
const ENTRY_BYTES = 32

export class TallyTexts {
  #texts = new TextNumbers()
  #keptBytes = 0

  get bytes(): number {
    return this.#texts.bytes + ENTRY_BYTES * this.#texts.count
  }

  /** Number of the text of so many bytes. */
  numberOf(bytes: Uint8Array, from: number, length: number): number {
    return this.#texts.numberOf(bytes, from, length)
  }

  json(number: number): string {
    return this.#texts.text(number)
  }

  get isDue(): boolean {
    return this.bytes > NEW_BYTES_MIN + 2 * this.#keptBytes
  }

  /** Keeps only what these columns say, whose numbers change. */
  forgetOthers(columns: Iterable<{ readonly values: Float64Array; readonly count: number }>): void {
    const before = this.#texts
    this.#texts = new TextNumbers()
    for (const { values, count } of columns)
      for (let row = 0; row < count; row++)
        if (!Number.isNaN(values[row]!)) values[row] = this.#texts.numberFrom(before, values[row]!)
    this.#keptBytes = this.bytes
  }
}
