/** Values of accepted events that could not be converted, counted by column with their first examples. */
import type { ConversionFailure } from '#core/conversion-failures.ts'
import { visibleText } from '#core/visible-text.ts'

export interface ConversionExample {
  /** of the row in the offer */
  readonly index: number
  /** the value's JSON, cut */
  readonly value: string
}

/** What the response to the sender reports for a column. The events are in the log, with NULL (or the column's default) for the value. */
export interface ConversionWarning {
  readonly column: string
  /** events concerned */
  readonly events: number
  readonly examples: readonly ConversionExample[]
}

const EXAMPLES_MAX = 3

export class ConversionWarnings {
  readonly #columns = new Map<string, { events: number; readonly examples: ConversionExample[] }>()

  add(index: number, failures: readonly ConversionFailure[]): void {
    for (const { column, value } of failures) {
      const known = this.#columns.get(column) ?? { events: 0, examples: [] }
      this.#columns.set(column, known)
      known.events++
      if (known.examples.length < EXAMPLES_MAX) known.examples.push({ index, value: visibleText(value) })
    }
  }

  list(): ConversionWarning[] {
    return [...this.#columns].map(([column, known]) => ({ column, ...known }))
  }
}
