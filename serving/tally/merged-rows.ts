/** The rows of some panes of all sources, merged by key: what questions that differ only in their filters have in common. */

import type { SpareColumns } from './spare-columns.ts'
import { mergeRows, type TallyColumns, type TallyField } from './tally-fields.ts'
import type { PaneRows } from './tally-rows.ts'

export class MergedRows {
  /** each once */
  readonly keys: Int32Array
  readonly #panes: readonly PaneRows[]
  /** key → its place in `keys`, plus one */
  readonly #slots: Int32Array
  readonly #merged = new Set<TallyField>()
  readonly #columns: Float64Array[] = []
  readonly #spare: SpareColumns

  /** @param keyCount how many keys there are; @param spare the pool that the columns are taken from */
  constructor(panes: readonly PaneRows[], keyCount: number, spare: SpareColumns) {
    this.#spare = spare
    const [keys, slots] = [new Int32Array(keyCount), new Int32Array(keyCount)]
    let found = 0
    for (const pane of panes) {
      for (let row = 0; row < pane.count; row++) {
        const key = pane.keys[row]!
        if (slots[key] !== 0) continue
        keys[found] = key
        slots[key] = ++found
      }
    }
    this.keys = keys.subarray(0, found)
    this.#panes = panes
    this.#slots = slots
  }

  /** Columns of these fields, in the order of `keys`; others may be missing. */
  columnsOf(fields: readonly TallyField[]): TallyColumns {
    for (const field of fields) if (!this.#merged.has(field)) this.#merge(field)
    return this.#columns
  }

  /** Returns the columns to the pool: nothing may read them afterwards. */
  release(): void {
    this.#spare.give(this.#columns)
    this.#columns.length = 0
    this.#merged.clear()
  }

  #merge(field: TallyField): void {
    this.#merged.add(field)
    for (const column of field.columns) this.#columns[column] = this.#spare.take(this.keys.length)
    for (const { keys, columns, count } of this.#panes)
      mergeRows(field, this.#columns, this.#slots, 1, keys, columns, count)
  }
}
