/** The combinations of dimension values that a tally holds rows of, numbered. A value is what the engine's JSON of it says. */
import type { SqlColumn } from '#core/compiled.ts'
import { NUMBER_MAX } from './tally-shape.ts'

export type TallyValue = string | number | boolean | null

/** A value that a tally cannot hold as the engine does: the view is left to the engine. */
export class NotTalliedError extends Error {}

class Values {
  readonly #column: SqlColumn
  readonly #numbers = new Map<TallyValue, number>()
  /** text → number of the value, to save parsing what was seen before */
  readonly #texts = new Map<string | null, number>()
  readonly values: TallyValue[] = []
  /** as the engine writes them */
  readonly jsons: string[] = []

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
    this.jsons.push(value === null ? 'null' : this.#column.type === 'VARCHAR' ? JSON.stringify(value) : text!)
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

export class TallyKeys {
  readonly #dimensions: readonly Values[]
  readonly #keys = new Map<number | string, number>()
  /** per dimension, by key: number of the value */
  readonly #places: number[][]
  #count = 0

  constructor(dimensions: readonly SqlColumn[]) {
    this.#dimensions = dimensions.map((column) => new Values(column))
    this.#places = dimensions.map(() => [])
  }

  get count(): number {
    return this.#count
  }

  /** Number of the combination. @param texts one of each dimension, as the shape's items give them */
  keyOf(texts: readonly (string | null)[]): number {
    const places = texts.map((text, index) => this.#dimensions[index]!.numberOf(text))
    const name = places.length === 1 ? places[0]! : places.join()
    const known = this.#keys.get(name)
    if (known !== undefined) return known
    this.#keys.set(name, this.#count)
    for (const [index, place] of places.entries()) this.#places[index]!.push(place)
    return this.#count++
  }

  /** Number of the value that a key has in a dimension. */
  place(dimension: number, key: number): number {
    return this.#places[dimension]![key]!
  }

  /** The values of a dimension, by number. */
  values(dimension: number): readonly TallyValue[] {
    return this.#dimensions[dimension]!.values
  }

  json(dimension: number, place: number): string {
    return this.#dimensions[dimension]!.jsons[place]!
  }
}
