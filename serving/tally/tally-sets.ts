/**
 * Sets of numbers, numbered: the distinct values that states of a view have seen, by their hashes. They lie one behind the other in one array,
 * each as its size and then its elements in ascending order; a set's number is where it begins. Sets that no row refers to are removed from time
 * to time.
 */

/** numbers that are new since the last time, beyond which they are */
const NEW_MIN = 512 * 1024
const FIRST_NUMBERS = 1_024
const WIDTH = 8

export class TallySets {
  #numbers = new Float64Array(FIRST_NUMBERS)
  #used = 0
  #kept = 0

  get bytes(): number {
    return this.#used * WIDTH
  }

  get isDue(): boolean {
    return this.#used > NEW_MIN + 2 * this.#kept
  }

  /** @param elements of many sets, of which it takes those from `from` to `to`, ascending */
  add(elements: Float64Array, from: number, to: number): number {
    const set = this.#begun(to - from)
    this.#numbers.set(elements.subarray(from, to), set + 1)
    return set
  }

  sizeOf(set: number): number {
    return this.#numbers[set]!
  }

  /** How many different elements these sets have together. */
  countOf(sets: readonly number[]): number {
    if (sets.length === 1) return this.sizeOf(sets[0]!)
    return distinct(this.#allOf(sets))
  }

  /** All of these sets as one. */
  union(sets: readonly number[]): number {
    if (sets.length === 1) return sets[0]!
    const elements = this.#allOf(sets)
    return this.add(elements, 0, distinct(elements))
  }

  /** Keeps only the sets of these columns, whose numbers change. */
  forgetOthers(columns: Iterable<{ readonly values: Float64Array; readonly count: number }>): void {
    const [before, used] = [this.#numbers, this.#used]
    this.#numbers = new Float64Array(Math.max(FIRST_NUMBERS, used))
    this.#used = 0
    for (const { values, count } of columns)
      for (let row = 0; row < count; row++) {
        const set = values[row]!
        if (!Number.isNaN(set)) values[row] = this.add(before, set + 1, set + 1 + before[set]!)
      }
    this.#kept = this.#used
  }

  /** Elements of all sets, in any order. */
  #allOf(sets: readonly number[]): Float64Array {
    const elements = new Float64Array(sets.reduce((sum, set) => sum + this.sizeOf(set), 0))
    let at = 0
    for (const set of sets) {
      elements.set(this.#numbers.subarray(set + 1, set + 1 + this.sizeOf(set)), at)
      at += this.sizeOf(set)
    }
    return elements
  }

  #begun(size: number): number {
    const set = this.#used
    this.#used += 1 + size
    if (this.#used > this.#numbers.length) {
      const before = this.#numbers
      this.#numbers = new Float64Array(2 * this.#used)
      this.#numbers.set(before)
    }
    this.#numbers[set] = size
    return set
  }
}

/** Puts the different numbers first, ascending. @returns how many there are */
function distinct(numbers: Float64Array): number {
  numbers.sort()
  let kept = 0
  for (const number of numbers) if (kept === 0 || numbers[kept - 1] !== number) numbers[kept++] = number
  return kept
}
