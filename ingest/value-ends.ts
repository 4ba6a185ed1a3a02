/** Where the values of rows end that are made one after the other as flat objects, as FlatRows has it. */
import type { FlatShape } from '#core/flat-scan.ts'
import type { FlatRows } from './rows.ts'

const FIRST_ENDS = 4_096

export class ValueEnds {
  readonly #names: number
  readonly #shape: FlatShape
  #ends = new Int32Array(0)

  constructor(shape: FlatShape) {
    this.#shape = shape
    this.#names = shape.names.length
  }

  /** Room for a row, which counts as one to be scanned until its ends are set. */
  begin(row: number): void {
    const end = (row + 1) * this.#names
    if (end > this.#ends.length) {
      const larger = new Int32Array(Math.max(FIRST_ENDS, 2 * this.#ends.length, end))
      larger.set(this.#ends)
      this.#ends = larger
    }
    this.#ends[row * this.#names] = 0
  }

  set(row: number, name: number, end: number): void {
    this.#ends[row * this.#names + name] = end
  }

  /** Of a whole row that begins at a place. @param ends from its beginning on */
  setAll(row: number, ends: Int32Array, start: number): void {
    const first = row * this.#names
    for (let name = 0; name < this.#names; name++) this.#ends[first + name] = start + ends[name]!
  }

  get rows(): FlatRows {
    return { ...this.#shape, ends: this.#ends }
  }
}
