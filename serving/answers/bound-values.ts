/** Collects the parameters of a SQL text: where it is put together, values are never part of it (see storage/engine/written-statement.ts). */
import { type Parameter, writtenName } from '#storage/engine/written-statement.ts'

export class BoundValues {
  readonly parameters: Record<string, Parameter> = {}
  #count = 0

  /** The same values, to which others can be added apart. */
  copy(): BoundValues {
    const copy = new BoundValues()
    Object.assign(copy.parameters, this.parameters)
    copy.#count = this.#count
    return copy
  }

  /** @returns the placeholder for the text */
  bind(value: Parameter): string {
    const name = writtenName(this.#count++)
    this.parameters[name] = value
    return `$${name}`
  }
}
