/**
 * The fast path of event-scan.ts for events whose JSON was made here, as one flat object of known names: where their values are is
 * known, so that only those that columns are read from are looked at. Same invariant: it may decline any event.
 */
import { parseJsonPath } from './json-path.ts'
import { keyText } from './usable-value.ts'
import { type CheckedColumn, keyTextAt, ValueCheck } from './value-check.ts'

/** The names of a made event, in their order; each is followed by text, number, truth or null, never by an object or a list. */
export interface FlatShape {
  readonly names: readonly string[]
  /** by name: bytes between the end of the value before, or the beginning of the event, and its value */
  readonly keyBytes: readonly number[]
}

interface FlatColumn {
  /** of its name */
  readonly at: number
  readonly check: ValueCheck
}

export class FlatScan {
  readonly #columns: readonly FlatColumn[]
  readonly #keyBytes: readonly number[]
  /** of its name; null: the events have none */
  readonly #keyAt: number | null
  readonly #keyColumn: CheckedColumn['column']
  /** a value that every event needs is in none of them */
  readonly #lacks: boolean

  /**
   * null: the names must be looked at in each event.
   * @param columns have valid paths; exactly one is the key
   */
  static of(columns: readonly CheckedColumn[], shape: FlatShape): FlatScan | null {
    const plain = shape.names.every((name) => JSON.stringify(name) === `"${name}"`)
    return plain && new Set(shape.names).size === shape.names.length ? new FlatScan(columns, shape) : null
  }

  private constructor(columns: readonly CheckedColumn[], { names, keyBytes }: FlatShape) {
    const found = columns.map((checked) => {
      const { members } = parseJsonPath(checked.column.path)!
      return { checked, at: names.indexOf(members[0]!), isInner: members.length > 1 }
    })
    const key = found.find(({ checked }) => checked.key)!
    this.#keyBytes = keyBytes
    this.#keyColumn = key.checked.column
    this.#keyAt = key.at === -1 || key.isInner ? null : key.at
    this.#lacks = found.some(({ checked, at, isInner }) => checked.needed && (at === -1 || isInner))
    this.#columns = found
      .filter(({ at }) => at !== -1)
      .map(({ checked, at, isInner }) => ({ at, check: isInner ? OBJECT : new ValueCheck(checked) }))
      .filter(({ check }) => check.needed || check.takes !== 'anything' || check.bytesMax !== Number.POSITIVE_INFINITY)
  }

  /**
   * @param bytes UTF-8; the event begins at `start`
   * @param ends its values' ends, from the place `first` on
   * @param arrivalMs when the event arrives, epoch ms
   * @returns the key's text, or null when only the full check can decide
   */
  keyOf(bytes: Buffer, start: number, ends: Int32Array, first: number, arrivalMs: number): string | null {
    if (this.#lacks) return null
    for (const { at, check } of this.#columns) {
      const from = (at === 0 ? start : ends[first + at - 1]!) + this.#keyBytes[at]!
      if (!check.isUsable(bytes, from, ends[first + at]!, arrivalMs)) return null
    }
    if (this.#keyAt === null) return keyText(undefined, this.#keyColumn)
    const at = this.#keyAt
    const from = (at === 0 ? start : ends[first + at - 1]!) + this.#keyBytes[at]!
    return keyTextAt(bytes, from, ends[first + at]!, this.#keyColumn)
  }
}

/** An object would have to be there: only null is usable. */
const OBJECT = new ValueCheck({
  column: { type: 'VARCHAR[]', path: '$' } as CheckedColumn['column'],
  needed: false,
  key: false,
  accepted: null,
})
