/** Values bound to a text that is being written: none is ever put into SQL text. */
import type { Parameter } from '#storage/engine/duckdb-engine.ts'

export class BoundValues {
  readonly parameters: Record<string, Parameter> = {}
  #count = 0

  /** @returns the placeholder to put into the text */
  bind(value: Parameter): string {
    const name = `p${this.#count++}`
    this.parameters[name] = value
    return `$${name}`
  }
}
