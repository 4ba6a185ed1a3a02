/** Reads chunks of state rows into columns of numbers for a tally; keys, texts and sets are replaced by the numbers that the tally assigns to them. */
import type { EngineChunk, NumberLists } from '#storage/engine/engine-chunk.ts'
import { NotTalliedError, type TallyKeys } from './tally-keys.ts'
import type { TallySets } from './tally-sets.ts'
import type { TallyShape } from './tally-shape.ts'
import type { TallyTexts } from './tally-texts.ts'
import type { TimeSlices } from './time-slices.ts'

const WIDTH = 8
/** kept for reuse; more than one is needed only while two tables of a view are read at once */
const SPACES_MAX = 2
const NULL = new TextEncoder().encode('null')

/** What was read of a chunk: of each array the first `rows` values. */
export interface ReadRows {
  readonly rows: number
  readonly partitions: Float64Array
  readonly panes: Float64Array
  readonly keys: Int32Array
  readonly columns: readonly Float64Array[]
}

/** Arrays reused from chunk to chunk: allocating new ones each time triggers frequent full garbage collections. */
class Space implements ReadRows {
  rows = 0
  readonly size: number
  readonly partitions: Float64Array
  readonly panes: Float64Array
  readonly keys: Int32Array
  readonly columns: readonly Float64Array[]
  /** by dimension: numbers of values */
  readonly values: readonly Int32Array[]

  constructor(size: number, { dimensions, columns }: TallyShape) {
    this.size = size
    this.partitions = new Float64Array(size)
    this.panes = new Float64Array(size)
    this.keys = new Int32Array(size)
    this.columns = columns.map(() => new Float64Array(size))
    this.values = dimensions.map(() => new Int32Array(size))
  }
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
  readonly #free: Space[] = []

  constructor(of: Numbering) {
    this.#of = of
    const { columns, fields } = of.shape
    this.#magnitudes = columns.map(() => 0)
    this.#isAdded = new Set(fields.flatMap(({ kind, columns }) => (kind === 'sum' ? columns : [])))
  }

  /**
   * @returns arrays that belong to the reader: copy the rows, then call `done`
   * @throws NotTalliedError for what doubles do not hold
   */
  async read(chunk: EngineChunk, slices: TimeSlices): Promise<ReadRows> {
    const { dimensions, columns: held } = this.#of.shape
    const space = this.#spaceFor(chunk.rows)
    for (const dimension of dimensions.keys()) {
      this.#numberValues(dimension, chunk, space.values[dimension]!)
      await slices.pause()
    }
    this.#of.keys.number(space.values, chunk.rows, space.keys)
    for (const [place, { holds }] of held.entries()) {
      await slices.pause()
      const [at, into] = [2 + dimensions.length + place, space.columns[place]!]
      if (holds === 'set') this.#numberSets(place, chunk.numberLists(at), into)
      else if (holds === 'text') this.#numberTexts(place, chunk, at, into)
      else {
        copyNumbers(chunk, at, into)
        this.#measure(place, into.subarray(0, chunk.rows))
      }
    }
    await slices.pause()
    copyNumbers(chunk, 0, space.partitions)
    copyNumbers(chunk, 1, space.panes)
    return space
  }

  /** Returns the arrays for reuse. */
  done(rows: ReadRows): void {
    if (rows instanceof Space && this.#free.length < SPACES_MAX) this.#free.push(rows)
  }

  #spaceFor(rows: number): Space {
    const known = this.#free.pop()
    const space = known !== undefined && known.size >= rows ? known : new Space(rows, this.#of.shape)
    space.rows = rows
    return space
  }

  #numberValues(dimension: number, chunk: EngineChunk, into: Int32Array): void {
    const { keys } = this.#of
    const isMissing = missingIn(chunk, 2 + dimension)
    chunk.texts(2 + dimension, (row, bytes, from, length) => {
      into[row] = isMissing(row) ? keys.numberOfMissing(dimension) : keys.numberOf(dimension, bytes, from, length)
    })
  }

  #numberTexts(place: number, chunk: EngineChunk, column: number, into: Float64Array): void {
    const numbers = this.#of.texts.get(place)!
    const isMissing = missingIn(chunk, column)
    chunk.texts(column, (row, bytes, from, length) => {
      into[row] = isMissing(row) ? numbers.numberOf(NULL, 0, NULL.length) : numbers.numberOf(bytes, from, length)
    })
  }

  #numberSets(place: number, { elements, from, to }: NumberLists, into: Float64Array): void {
    const sets = this.#of.sets.get(place)!
    for (let row = 0; row < from.length; row++) into[row] = sets.add(elements, from[row]!, to[row]!)
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

function copyNumbers(chunk: EngineChunk, column: number, into: Float64Array): void {
  chunk.copyFixed(column, WIDTH, new Uint8Array(into.buffer), 0)
}

function missingIn(chunk: EngineChunk, column: number): (row: number) => boolean {
  const validity = chunk.validity(column)
  return validity === null ? () => false : (row) => (validity[row >> 3]! & (1 << (row & 7))) === 0
}
