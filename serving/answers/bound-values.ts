/** Collects the bound parameters of a SQL text: values are never embedded in the text. */
import type { Parameter } from '#storage/engine/duckdb-engine.ts'

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
    const name = `p${this.#count++}`
    this.parameters[name] = value
    return `$${name}`
  }
}
