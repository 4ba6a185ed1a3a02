/** The rows of some panes of all sources, added up by key: what questions that differ only in their filters have in common. */
import { added, type PaneRows } from './tally-rows.ts'

export class MergedRows {
  /** each once */
  readonly keys: Int32Array
  readonly #panes: readonly PaneRows[]
  /** key → its place in `keys`, plus one */
  readonly #slots: Int32Array
  readonly #sums = new Map<number, Float64Array>()

  /** @param keyCount how many keys there are */
  constructor(panes: readonly PaneRows[], keyCount: number) {
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

  /** Sums of a measure, in the order of `keys`; NaN: none. */
  sums(measure: number): Float64Array {
    let sums = this.#sums.get(measure)
    if (sums !== undefined) return sums
    sums = new Float64Array(this.keys.length).fill(Number.NaN)
    this.#sums.set(measure, sums)
    for (const { keys, values, count } of this.#panes) addRows(sums, this.#slots, keys, values[measure]!, count)
    return sums
  }
}

function addRows(sums: Float64Array, slots: Int32Array, keys: Int32Array, values: Float64Array, count: number): void {
  for (let row = 0; row < count; row++) {
    const at = slots[keys[row]!]! - 1
    sums[at] = added(sums[at]!, values[row]!)
  }
}
