/** State rows of one source of a view's states (a table, or a partition of the tail) as numbers, by pane; those of one key add up. */

/** rows of a pane that were added since they were put together, beyond which they are again */
const ADDED_MIN = 256
const FIRST_ROWS = 16

/** The rows of one pane: key and, by measure, value; a key can have several. */
export interface PaneRows {
  readonly keys: Int32Array
  /** by measure; NaN: the state has no value */
  readonly values: readonly Float64Array[]
  readonly count: number
}

class GrowingRows implements PaneRows {
  keys = new Int32Array(FIRST_ROWS)
  values: Float64Array[]
  count = 0
  #together = 0

  constructor(measures: number) {
    this.values = Array.from({ length: measures }, () => new Float64Array(FIRST_ROWS))
  }

  add(key: number, values: readonly Float64Array[], row: number): void {
    if (this.count === this.keys.length) this.#grow()
    this.keys[this.count] = key
    for (let at = 0; at < values.length; at++) this.values[at]![this.count] = values[at]![row]!
    this.count++
  }

  get isDue(): boolean {
    return this.count >= 2 * this.#together + ADDED_MIN
  }

  /** @param slots zeros, one for each key @returns rows that were saved */
  putTogether(slots: Int32Array): number {
    const before = this.count
    let kept = 0
    for (let row = 0; row < before; row++) {
      const key = this.keys[row]!
      const slot = slots[key]! - 1
      if (slot >= 0) {
        for (const values of this.values) values[slot] = added(values[slot]!, values[row]!)
        continue
      }
      slots[key] = ++kept
      this.keys[kept - 1] = key
      for (const values of this.values) values[kept - 1] = values[row]!
    }
    for (let row = 0; row < kept; row++) slots[this.keys[row]!] = 0
    this.count = kept
    this.#together = kept
    return before - kept
  }

  #grow(): void {
    const rows = this.keys.length * 2
    const keys = new Int32Array(rows)
    keys.set(this.keys)
    this.keys = keys
    this.values = this.values.map((before) => {
      const values = new Float64Array(rows)
      values.set(before)
      return values
    })
  }
}

/** The sum of two states. */
export function added(a: number, b: number): number {
  if (Number.isNaN(a)) return b
  return Number.isNaN(b) ? a : a + b
}

export class TallyRows {
  readonly #measures: number
  readonly #panes = new Map<number, GrowingRows>()
  #rows = 0

  constructor(measures: number) {
    this.#measures = measures
  }

  get rows(): number {
    return this.#rows
  }

  get panes(): ReadonlyMap<number, PaneRows> {
    return this.#panes
  }

  add(panes: Float64Array, keys: Int32Array, values: readonly Float64Array[], from: number, to: number): void {
    for (let row = from; row < to; row++) {
      const pane = panes[row]!
      this.#pane(pane).add(keys[row]!, values, row)
    }
    this.#rows += to - from
  }

  #pane(start: number): GrowingRows {
    const known = this.#panes.get(start)
    if (known !== undefined) return known
    const made = new GrowingRows(this.#measures)
    this.#panes.set(start, made)
    return made
  }

  /** Adds up the rows of each key where many were added. @param keys how many there are */
  putTogether(keys: number): void {
    let slots: Int32Array | null = null
    for (const rows of this.#panes.values()) {
      if (!rows.isDue) continue
      slots ??= new Int32Array(keys)
      this.#rows -= rows.putTogether(slots)
    }
  }
}
