/** The combinations of dimension values that a tally holds rows of, numbered. A value is what the engine's JSON of it says. */
import type { SqlColumn } from '#core/compiled.ts'
import { NUMBER_MAX } from './held-measures.ts'
import { jsonText } from './json-text.ts'

export type TallyValue = string | number | boolean | null

/** A value that a tally cannot hold as the engine does: the view is left to the engine. */
export class NotTalliedError extends Error {}

const ASCII = /^[\0-\x7f]*$/

class Values {
  readonly #column: SqlColumn
  readonly #numbers = new Map<TallyValue, number>()
  /** text → number of the value, to save parsing what was seen before */
  readonly #texts = new Map<string | null, number>()
  readonly values: TallyValue[] = []
  /** as the engine writes them */
  readonly jsons: string[] = []
  /** whether all texts are ASCII */
  isPlain = true

  constructor(column: SqlColumn) {
    this.#column = column
  }

  /** @throws NotTalliedError */
  numberOf(text: string | null): number {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const value = heldValue(text, this.#column)
    const number = this.#numbers.get(value) ?? this.values.length
    this.#texts.set(text, number)
    if (number < this.values.length) return number
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

/** of a dimension, so that two of them make one exact number */
const VALUES_MAX = 2 ** 26

/** One name for each combination of values; a number where that is possible, which is found faster. */
function nameOf(places: readonly number[]): number | string {
  const [first = 0, second = 0] = places
  if (places.length > 2 || first >= VALUES_MAX || second >= VALUES_MAX) return places.join()
  return first * VALUES_MAX + second
}

/** Keys with the same values in some dimensions. */
export interface KeyGroups {
  /** by key; there may be room for more keys */
  readonly ofKey: Int32Array
  readonly count: number
  /** by dimension, in the order that was asked for, and group: numbers of values */
  readonly places: readonly (readonly number[])[]
}

/** sets of dimensions whose groups are kept; few are asked for again and again */
const GROUPINGS_MAX = 16
/** groups of all these sets together, of about 100 bytes each */
const GROUPS_KEPT_MAX = 1_000_000
const FIRST_KEYS = 64

/** The groups of one set of dimensions: what was numbered once stays, new keys are added. */
class Grouping implements KeyGroups {
  ofKey = new Int32Array(FIRST_KEYS)
  count = 0
  readonly places: number[][]
  readonly #dimensions: readonly (readonly number[])[]
  readonly #numbers = new Map<number | string, number>()
  #keys = 0

  /** @param dimensions by key: numbers of values */
  constructor(dimensions: readonly (readonly number[])[]) {
    this.#dimensions = dimensions
    this.places = dimensions.map(() => [])
  }

  extendTo(keys: number): void {
    if (keys > this.ofKey.length) {
      const before = this.ofKey
      this.ofKey = new Int32Array(2 * keys)
      this.ofKey.set(before)
    }
    for (let key = this.#keys; key < keys; key++) {
      const own = this.#dimensions.map((places) => places[key]!)
      const name = nameOf(own)
      let group = this.#numbers.get(name)
      if (group === undefined) {
        group = this.count++
        this.#numbers.set(name, group)
        for (const [index, place] of own.entries()) this.places[index]!.push(place)
      }
      this.ofKey[key] = group
    }
    this.#keys = Math.max(this.#keys, keys)
  }
}

export class TallyKeys {
  readonly #dimensions: readonly Values[]
  readonly #keys = new Map<number | string, number>()
  /** per dimension, by key: number of the value */
  readonly #places: number[][]
  #count = 0
  readonly #groupings = new Map<string, Grouping>()
  readonly #groupsMax: number

  /** @param groupsMax groups of all sets of dimensions that are kept from one question to the next */
  constructor(dimensions: readonly SqlColumn[], groupsMax = GROUPS_KEPT_MAX) {
    this.#groupsMax = groupsMax
    this.#dimensions = dimensions.map((column) => new Values(column))
    this.#places = dimensions.map(() => [])
  }

  get count(): number {
    return this.#count
  }

  /** how many groups are kept for the next question */
  get groupsKept(): number {
    return this.#groupings.values().reduce((sum, { count }) => sum + count, 0)
  }

  /** Number of the combination. @param texts one of each dimension, as the shape's items give them */
  keyOf(texts: readonly (string | null)[]): number {
    const places = texts.map((text, index) => this.#dimensions[index]!.numberOf(text))
    const name = nameOf(places)
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    this.#keys.set(name, this.#count)
    for (const [index, place] of places.entries()) this.#places[index]!.push(place)
    return this.#count++
  }

  /** The keys by the values that they have in these dimensions. */
  groups(dimensions: readonly number[]): KeyGroups {
    const name = dimensions.join()
    let grouping = this.#groupings.get(name)
    if (grouping === undefined) {
      if (this.#groupings.size >= GROUPINGS_MAX) this.#groupings.clear()
      grouping = new Grouping(dimensions.map((dimension) => this.#places[dimension]!))
      this.#groupings.set(name, grouping)
    }
    grouping.extendTo(this.#count)
    if (this.groupsKept > this.#groupsMax) {
      this.#groupings.clear()
      if (grouping.count <= this.#groupsMax) this.#groupings.set(name, grouping)
    }
    return grouping
  }

  /** Number of the value that a key has in a dimension. */
  place(dimension: number, key: number): number {
    return this.#places[dimension]![key]!
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
