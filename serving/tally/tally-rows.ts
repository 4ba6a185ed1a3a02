/** State rows of one source of a view's states (a table, or a partition of the tail) as numbers, by pane; those of one key are merged. */
import { mergeRows, type TallyColumns } from './tally-fields.ts'
import type { TallySets } from './tally-sets.ts'
import type { TallyShape } from './tally-shape.ts'
import type { TimeSlices } from './time-slices.ts'

/** rows of a pane that were added since they were put together, beyond which they are again */
const ADDED_MIN = 256
const FIRST_ROWS = 16

/** The rows of one pane: key, and columns of numbers; a key can have several. */
export interface PaneRows {
  readonly keys: Int32Array
  /** NaN: the state has no value */
  readonly columns: TallyColumns
  readonly count: number
}

/** What a tally's rows are made of. */
export interface RowsParts {
  readonly shape: Pick<TallyShape, 'fields' | 'columns'>
  /** by place of the column that they are numbered in */
  readonly sets: ReadonlyMap<number, TallySets>
}

function emptyColumns(columns: number, rows: number): Float64Array[] {
  return Array.from({ length: columns }, () => new Float64Array(rows).fill(Number.NaN))
}

class GrowingRows implements PaneRows {
  keys = new Int32Array(FIRST_ROWS)
  columns: Float64Array[]
  count = 0
  #together = 0

  constructor(columns: number) {
    this.columns = emptyColumns(columns, FIRST_ROWS)
  }

  add(key: number, columns: TallyColumns, row: number): void {
    if (this.count === this.keys.length) this.#grow(this.count + 1)
    this.keys[this.count] = key
    for (let at = 0; at < columns.length; at++) this.columns[at]![this.count] = columns[at]![row]!
    this.count++
  }

  append({ keys, columns, count }: PaneRows): void {
    if (this.count + count > this.keys.length) this.#grow(this.count + count)
    this.keys.set(keys.subarray(0, count), this.count)
    for (const [at, values] of columns.entries()) this.columns[at]!.set(values.subarray(0, count), this.count)
    this.count += count
  }

  get isDue(): boolean {
    return this.count >= 2 * this.#together + ADDED_MIN
  }

  /**
   * Merges rows with the same key. Readers see the old rows until it has finished; no rows may be added before then.
   *
   * @param slots zeros, one for each key
   * @returns how many rows fewer there are
   */
  async putTogether(
    slots: Int32Array,
    { shape: { fields, columns }, sets }: RowsParts,
    slices: TimeSlices,
  ): Promise<number> {
    const before = this.count
    const kept: number[] = []
    for (let row = 0; row < before; row++) {
      const key = this.keys[row]!
      if (slots[key] === 0) slots[key] = kept.push(key)
    }
    const merged = emptyColumns(columns.length, kept.length)
    for (const field of fields) {
      await slices.pause()
      mergeRows(field, merged, slots, 1, this.keys, this.columns, before)
    }
    for (const [column, own] of sets)
      await mergeSets(own, merged[column]!, slots, this.keys, this.columns[column]!, before, slices)
    for (const key of kept) slots[key] = 0
    this.keys = Int32Array.from(kept)
    this.columns = merged
    this.count = kept.length
    this.#together = kept.length
    return before - kept.length
  }

  /** @param least rows that there must be room for */
  #grow(least: number): void {
    const rows = Math.max(FIRST_ROWS, this.keys.length * 2, least)
    const keys = new Int32Array(rows)
    keys.set(this.keys)
    this.keys = keys
    this.columns = this.columns.map((before) => {
      const values = new Float64Array(rows)
      values.set(before)
      return values
    })
  }
}

async function mergeSets(
  sets: TallySets,
  into: Float64Array,
  slots: Int32Array,
  keys: Int32Array,
  from: Float64Array,
  count: number,
  slices: TimeSlices,
): Promise<void> {
  await slices.pause()
  const several = new Map<number, number[]>()
  for (let row = 0; row < count; row++) {
    const [target, set] = [slots[keys[row]!]! - 1, from[row]!]
    if (Number.isNaN(set)) continue
    if (Number.isNaN(into[target]!)) into[target] = set
    else if (several.has(target)) several.get(target)!.push(set)
    else several.set(target, [into[target]!, set])
  }
  for (const [target, own] of several) {
    if (slices.isOver) await slices.next()
    into[target] = sets.union(own)
  }
}

export class TallyRows {
  readonly #parts: RowsParts
  readonly #panes = new Map<number, GrowingRows>()
  /** panes where many rows were added */
  readonly #due = new Set<number>()
  #rows = 0

  constructor(parts: RowsParts) {
    this.#parts = parts
  }

  get rows(): number {
    return this.#rows
  }

  get panes(): ReadonlyMap<number, PaneRows> {
    return this.#panes
  }

  /** @param sinceMs rows of earlier panes are left out */
  add(
    {
      panes,
      keys,
      columns,
    }: { readonly panes: Float64Array; readonly keys: Int32Array; readonly columns: TallyColumns },
    from: number,
    to: number,
    sinceMs: number,
  ): void {
    for (let row = from; row < to; row++) {
      const pane = panes[row]!
      if (pane < sinceMs) continue
      const own = this.#pane(pane)
      own.add(keys[row]!, columns, row)
      if (own.isDue) this.#due.add(pane)
      this.#rows++
    }
  }

  /** Moves all rows of another into this one. The other must not be used afterwards. */
  take(other: TallyRows): void {
    for (const [start, rows] of other.#panes) {
      const known = this.#panes.get(start)
      if (known === undefined) this.#panes.set(start, rows)
      else known.append(rows)
      if ((known ?? rows).isDue) this.#due.add(start)
    }
    this.#rows += other.#rows
  }

  /** Gives up the rows of earlier panes. */
  forgetBefore(sinceMs: number): void {
    for (const [pane, { count }] of this.#panes) {
      if (pane >= sinceMs) continue
      this.#panes.delete(pane)
      this.#due.delete(pane)
      this.#rows -= count
    }
  }

  #pane(start: number): GrowingRows {
    const known = this.#panes.get(start)
    if (known !== undefined) return known
    const made = new GrowingRows(this.#parts.shape.columns.length)
    this.#panes.set(start, made)
    return made
  }

  /** Whether there are panes where many rows were added. */
  get isDue(): boolean {
    return this.#due.size > 0
  }

  /** Merges rows with the same key in such panes. No rows may be added until it has finished. @param slots zeros, one for each key */
  async putTogether(slots: Int32Array, slices: TimeSlices): Promise<void> {
    for (const pane of this.#due) this.#rows -= await this.#panes.get(pane)!.putTogether(slots, this.#parts, slices)
    this.#due.clear()
  }
}
