/** The JSON texts that a column of a tally says, numbered; texts that no row refers to are removed from time to time. */

/** bytes of texts that are new since the last time, beyond which they are */
const NEW_BYTES_MIN = 4 * 1024 * 1024
/** of an entry beside its text */
const ENTRY_BYTES = 100

export class TallyTexts {
  #numbers = new Map<string, number>()
  #texts: string[] = []
  #bytes = 0
  #keptBytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Number of the text. */
  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#texts.length)
    this.#bytes += ENTRY_BYTES + 2 * text.length
    return this.#texts.push(text) - 1
  }

  json(number: number): string {
    return this.#texts[number]!
  }

  get isDue(): boolean {
    return this.#bytes > NEW_BYTES_MIN + 2 * this.#keptBytes
  }

  /** Keeps only what these columns say, whose numbers change. */
  forgetOthers(columns: Iterable<{ readonly values: Float64Array; readonly count: number }>): void {
    const before = this.#texts
    this.#numbers = new Map()
    this.#texts = []
    this.#bytes = 0
    for (const { values, count } of columns)
      for (let row = 0; row < count; row++)
        if (!Number.isNaN(values[row]!)) values[row] = this.numberOf(before[values[row]!]!)
    this.#keptBytes = this.#bytes
  }
}
