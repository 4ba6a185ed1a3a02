/** Assigns numbers to combinations of integers, in order of first occurrence. */

import { randomInt } from 'node:crypto'

const FIRST_SLOTS = 64
/** combinations per slot, beyond which there are twice as many slots */
const LOAD_MAX = 0.5
/** 2^32 divided by the golden ratio, odd: products of it with numbers in a row are far apart */
const SPREAD = 0x9e3779b1
/** random seed, so that clients cannot craft values with colliding hashes */
const BASIS = randomInt(2 ** 32)

/**
 * ```ts
 * const combinations = new Combinations(2)
 * combinations.wanted.set([7, 3])
 * combinations.numberOfWanted() // 0
 * combinations.wanted.set([7, 4])
 * combinations.numberOfWanted() // 1
 * combinations.places[1] // Int32Array [3, 4, …]: of both, what they have in the second place
 * ```
 */
export class Combinations {
  /** what `numberOfWanted` looks up: one number for each place */
  readonly wanted: Int32Array
  /** by place and by number of the combination; there may be room for more of them */
  readonly places: Int32Array[]
  /** a combination's number and 1; 0: free */
  #slots = new Int32Array(FIRST_SLOTS)
  #count = 0

  constructor(places: number) {
    this.wanted = new Int32Array(places)
    this.places = Array.from({ length: places }, () => new Int32Array(FIRST_SLOTS))
  }

  get count(): number {
    return this.#count
  }

  /** Number of the combination in `wanted`; that of a new one is the count before. */
  numberOfWanted(): number {
    const { wanted, places } = this
    const last = this.#slots.length - 1
    for (let slot = this.#hashOfWanted() & last; ; slot = (slot + 1) & last) {
      const number = this.#slots[slot]! - 1
      if (number < 0) return this.#add(slot)
      let place = 0
      while (place < wanted.length && places[place]![number] === wanted[place]) place++
      if (place === wanted.length) return number
    }
  }

  #hashOfWanted(): number {
    let hash = BASIS
    for (let place = 0; place < this.wanted.length; place++) {
      hash = Math.imul(hash ^ this.wanted[place]!, SPREAD)
      hash ^= hash >>> 15
    }
    return hash
  }

  #add(slot: number): number {
    const number = this.#count++
    for (let place = 0; place < this.wanted.length; place++) {
      let own = this.places[place]!
      if (number === own.length) {
        own = new Int32Array(2 * number)
        own.set(this.places[place]!)
        this.places[place] = own
      }
      own[number] = this.wanted[place]!
    }
    this.#slots[slot] = this.#count
    if (this.#count > LOAD_MAX * this.#slots.length) this.#rehash()
    return number
  }

  #rehash(): void {
    const last = 2 * this.#slots.length - 1
    this.#slots = new Int32Array(last + 1)
    const before = this.wanted.slice()
    for (let number = 0; number < this.#count; number++) {
      for (let place = 0; place < this.wanted.length; place++) this.wanted[place] = this.places[place]![number]!
      let slot = this.#hashOfWanted() & last
      while (this.#slots[slot] !== 0) slot = (slot + 1) & last
      this.#slots[slot] = number + 1
    }
    this.wanted.set(before)
  }
}
