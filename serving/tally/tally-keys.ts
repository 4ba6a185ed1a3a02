/** The combinations of dimension values that a tally holds rows of, numbered. A value is what the engine's JSON of it says. */
import type { SqlColumn } from '#core/compiled.ts'
import { Combinations } from './combinations.ts'
import { NUMBER_MAX } from './held-measures.ts'
import { jsonText } from './json-text.ts'
import { TextNumbers } from './text-numbers.ts'

export type TallyValue = string | number | boolean | null

/** A value that a tally cannot hold as the engine does: the view is left to the engine. */
export class NotTalliedError extends Error {}

const ASCII = /^[\0-\x7f]*$/

class Values {
  readonly #column: SqlColumn
  readonly #numbers = new Map<TallyValue, number>()
  readonly #texts = new TextNumbers()
  /** number of a text → number of its value */
  readonly #ofText: number[] = []
  #ofMissing: number | undefined
  readonly values: TallyValue[] = []
  /** as the engine writes them */
  readonly jsons: string[] = []
  /** whether all texts are ASCII */
  isPlain = true

  constructor(column: SqlColumn) {
    this.#column = column
  }

  /** Of the text of so many bytes. @throws NotTalliedError */
  numberOf(bytes: Uint8Array, from: number, length: number): number {
    const text = this.#texts.numberOf(bytes, from, length)
    const known = this.#ofText[text]
    if (known !== undefined) return known
    const number = this.#numbered(this.#texts.text(text))
    this.#ofText[text] = number
    return number
  }

  numberOfMissing(): number {
    this.#ofMissing ??= this.#numbered(null)
    return this.#ofMissing
  }

  #numbered(text: string | null): number {
    const value = heldValue(text, this.#column)
    const known = this.#numbers.get(value)
    if (known !== undefined) return known
    const number = this.values.length
    this.#numbers.set(value, number)
    this.values.push(value)
    if (value !== null && !(typeof value === 'string' && ASCII.test(value))) this.isPlain = false
    this.jsons.push(value === null ? 'null' : this.#column.type === 'VARCHAR' ? jsonText(value as string) : text!)
    return number
  }
}

function heldValue(text: string | null, { name, type }: SqlColumn): TallyValue {
  if (text === null || type === 'VARCHAR') return text
  if (type === 'BOOLEAN') return text === 'true'
  const value = Number(text)
  const isHeld = type === 'DOUBLE' ? Number.isFinite(value) : Math.abs(value) <= NUMBER_MAX
  if (!isHeld) throw new NotTalliedError(`dimension '${name}' has the value ${text}`)
  return value
}

/** Keys with the same values in some dimensions. */
export interface KeyGroups {
  /** by key; there may be room for more keys */
  readonly ofKey: Int32Array
  readonly count: number
  /** by dimension, in the order that was asked for, and group: numbers of values */
  readonly places: readonly Int32Array[]
}

/** sets of dimensions whose groups are kept; few are asked for again and again */
const GROUPINGS_MAX = 16
/** groups of all these sets together, of about 100 bytes each */
const GROUPS_KEPT_MAX = 1_000_000
const FIRST_KEYS = 64

/** The groups of one set of dimensions: what was numbered once stays, new keys are added. */
class Grouping implements KeyGroups {
  ofKey = new Int32Array(FIRST_KEYS)
  readonly #dimensions: readonly number[]
  readonly #groups: Combinations
  #keys = 0

  constructor(dimensions: readonly number[]) {
    this.#dimensions = dimensions
    this.#groups = new Combinations(dimensions.length)
  }

  get count(): number {
    return this.#groups.count
  }

  get places(): readonly Int32Array[] {
    return this.#groups.places
  }

  extendTo({ count, places }: Combinations): void {
    if (count > this.ofKey.length) {
      const before = this.ofKey
      this.ofKey = new Int32Array(2 * count)
      this.ofKey.set(before)
    }
    const { wanted } = this.#groups
    for (let key = this.#keys; key < count; key++) {
      for (let at = 0; at < wanted.length; at++) wanted[at] = places[this.#dimensions[at]!]![key]!
      this.ofKey[key] = this.#groups.numberOfWanted()
    }
    this.#keys = Math.max(this.#keys, count)
  }
}

export class TallyKeys {
  readonly #dimensions: readonly Values[]
  /** by dimension and key: number of the value */
  readonly #keys: Combinations
  readonly #groupings = new Map<string, Grouping>()
  readonly #groupsMax: number

  /** @param groupsMax groups of all sets of dimensions that are kept from one question to the next */
  constructor(dimensions: readonly SqlColumn[], groupsMax = GROUPS_KEPT_MAX) {
    this.#groupsMax = groupsMax
    this.#dimensions = dimensions.map((column) => new Values(column))
    this.#keys = new Combinations(dimensions.length)
  }

  get count(): number {
    return this.#keys.count
  }

  /** how many groups are kept for the next question */
  get groupsKept(): number {
    return this.#groupings.values().reduce((sum, { count }) => sum + count, 0)
  }

  /** Number of a value of a dimension, by its text as the shape's items give it. @throws NotTalliedError */
  numberOf(dimension: number, bytes: Uint8Array, from: number, length: number): number {
    return this.#dimensions[dimension]!.numberOf(bytes, from, length)
  }

  numberOfMissing(dimension: number): number {
    return this.#dimensions[dimension]!.numberOfMissing()
  }

  /** Numbers of combinations. @param values by dimension and row: numbers of values @param into by row */
  number(values: readonly Int32Array[], rows: number, into: Int32Array): void {
    const { wanted } = this.#keys
    for (let row = 0; row < rows; row++) {
      for (let dimension = 0; dimension < wanted.length; dimension++) wanted[dimension] = values[dimension]![row]!
      into[row] = this.#keys.numberOfWanted()
    }
  }

  /** The keys by the values that they have in these dimensions. */
  groups(dimensions: readonly number[]): KeyGroups {
    const name = dimensions.join()
    let grouping = this.#groupings.get(name)
    if (grouping === undefined) {
      if (this.#groupings.size >= GROUPINGS_MAX) this.#groupings.clear()
      grouping = new Grouping(dimensions)
      this.#groupings.set(name, grouping)
    }
    grouping.extendTo(this.#keys)
    if (this.groupsKept > this.#groupsMax) {
      this.#groupings.clear()
      if (grouping.count <= this.#groupsMax) this.#groupings.set(name, grouping)
    }
    return grouping
  }

  /** Number of the value that a key has in a dimension. */
  place(dimension: number, key: number): number {
    return this.#keys.places[dimension]![key]!
  }

  /** The values of a dimension, by number. */
  values(dimension: number): readonly TallyValue[] {
    return this.#dimensions[dimension]!.values
  }

  /** Whether all values of a dimension are ASCII texts, or missing. */
  isPlain(dimension: number): boolean {
    return this.#dimensions[dimension]!.isPlain
  }

  json(dimension: number, place: number): string {
    return this.#dimensions[dimension]!.jsons[place]!
  }
}
