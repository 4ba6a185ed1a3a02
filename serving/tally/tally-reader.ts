/** Reads chunks of state rows into columns of numbers for a tally; keys, texts and sets are replaced by the numbers that the tally assigns to them. */
import type { EngineChunk, NumberLists } from '#storage/engine/engine-chunk.ts'
import { NotTalliedError, type TallyKeys } from './tally-keys.ts'
import type { TallySets } from './tally-sets.ts'
import type { TallyShape } from './tally-shape.ts'
import type { TallyTexts } from './tally-texts.ts'
import type { TimeSlices } from './time-slices.ts'

const WIDTH = 8

export interface ReadRows {
  readonly partitions: Float64Array
  readonly panes: Float64Array
  readonly keys: Int32Array
  readonly columns: readonly Float64Array[]
}

/** What assigns the numbers. */
interface Numbering {
  readonly shape: TallyShape
  readonly keys: TallyKeys
  readonly texts: ReadonlyMap<number, TallyTexts>
  readonly sets: ReadonlyMap<number, TallySets>
}

export class TallyReader {
  readonly #of: Numbering
  /** Σ|x| of each column that is added up, over all rows that were ever read */
  readonly #magnitudes: number[]
  readonly #isAdded: ReadonlySet<number>

  constructor(of: Numbering) {
    this.#of = of
    const { columns, fields } = of.shape
    this.#magnitudes = columns.map(() => 0)
    this.#isAdded = new Set(fields.flatMap(({ kind, columns }) => (kind === 'sum' ? columns : [])))
  }

  /** @throws NotTalliedError for what doubles do not hold */
  async read(chunk: EngineChunk, slices: TimeSlices): Promise<ReadRows> {
    const { dimensions, columns: held } = this.#of.shape
    const numbers = (column: number): Float64Array => {
      const values = new Float64Array(chunk.rows)
      chunk.copyFixed(column, WIDTH, new Uint8Array(values.buffer), 0)
      return values
    }
    const texts: (string | null)[][] = []
    for (const index of dimensions.keys()) {
      texts.push(textsOf(chunk, 2 + index))
      await slices.pause()
    }
    const keys = Int32Array.from({ length: chunk.rows }, (_, row) => this.#of.keys.keyOf(texts.map((own) => own[row]!)))
    const columns: Float64Array[] = []
    for (const [place, { holds }] of held.entries()) {
      await slices.pause()
      const at = 2 + dimensions.length + place
      if (holds === 'set') columns.push(this.#numberedSets(place, chunk.numberLists(at)))
      else columns.push(holds === 'text' ? this.#numberedTexts(place, textsOf(chunk, at)) : numbers(at))
      if (holds === 'number') this.#measure(place, columns[place]!)
    }
    await slices.pause()
    return { partitions: numbers(0), panes: numbers(1), keys, columns }
  }

  #numberedTexts(place: number, texts: readonly (string | null)[]): Float64Array {
    const numbers = this.#of.texts.get(place)!
    return Float64Array.from(texts, (text) => numbers.numberOf(text ?? 'null'))
  }

  #numberedSets(place: number, { elements, from, to }: NumberLists): Float64Array {
    const sets = this.#of.sets.get(place)!
    return Float64Array.from(from, (begin, row) => sets.add(elements, begin, to[row]!))
  }

  /** @throws NotTalliedError for what doubles do not hold */
  #measure(place: number, values: Float64Array): void {
    let [sum, most] = [0, 0]
    for (const value of values) {
      if (Number.isNaN(value)) continue
      const magnitude = Math.abs(value)
      sum += magnitude
      if (magnitude > most) most = magnitude
    }
    if (this.#isAdded.has(place)) most = this.#magnitudes[place]! += sum
    if (most <= this.#of.shape.columns[place]!.most) return
    const { measure } = this.#of.shape.measures.find(({ places }) =>
      places.some(({ columns }) => columns.includes(place)),
    )!
    throw new NotTalliedError(`values of '${measure.name}' are more than a double holds, or add up to more`)
  }
}

function textsOf(chunk: EngineChunk, column: number): (string | null)[] {
  const validity = chunk.validity(column)
  const texts = new Array<string | null>(chunk.rows)
  let read: { readonly bytes: Uint8Array; readonly text: Buffer } | null = null
  chunk.texts(column, (row, bytes, from, length) => {
    if (read?.bytes !== bytes) read = { bytes, text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
    const isMissing = validity !== null && (validity[row >> 3]! & (1 << (row & 7))) === 0
    texts[row] = isMissing ? null : read.text.toString('utf8', from, from + length)
  })
  return texts
}
