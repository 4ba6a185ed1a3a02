/**
 * Assigns numbers to texts by their bytes. Looking up a known text creates no string; creating one per row took most of the time and filled
 * the heap.
 */

import { randomInt } from 'node:crypto'

const FIRST_SLOTS = 64
const FIRST_BYTES = 1_024
/** texts per slot, beyond which there are twice as many slots */
const LOAD_MAX = 0.5
/** of the FNV-1a hash for 32 bits, http://www.isthe.com/chongo/tech/comp/fnv/ */
const PRIME = 0x01000193
/** random seed, so that clients cannot craft texts with colliding hashes */
const BASIS = randomInt(2 ** 32)

/**
 * ```ts
 * const numbers = new TextNumbers()
 * numbers.numberOf(Buffer.from('de us'), 0, 2) // 0
 * numbers.numberOf(Buffer.from('de us'), 3, 2) // 1
 * numbers.numberOf(Buffer.from('de'), 0, 2) // 0
 * numbers.text(1) // 'us'
 * ```
 */
export class TextNumbers {
  /** a text's number and 1; 0: free */
  #slots = new Int32Array(FIRST_SLOTS)
  #hashes = new Int32Array(FIRST_SLOTS)
  /** by number, where the text ends in `#bytes`; it begins where the one before ends */
  #ends = new Uint32Array(FIRST_SLOTS)
  #bytes: Buffer = Buffer.alloc(FIRST_BYTES)
  #count = 0

  /** How many different texts there are. */
  get count(): number {
    return this.#count
  }

  /** bytes of all texts */
  get bytes(): number {
    return this.#count === 0 ? 0 : this.#ends[this.#count - 1]!
  }

  /** Number of the text of so many bytes; that of a new one is the count before. */
  numberOf(bytes: Uint8Array, from: number, length: number): number {
    let hash = BASIS
    for (let at = from, end = from + length; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, PRIME)
    // The low bits choose the slot, and those of FNV depend on the low bits of the bytes only.
    hash ^= hash >>> 15
    for (let slot = hash & (this.#slots.length - 1); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const number = this.#slots[slot]! - 1
      if (number < 0) return this.#add(slot, hash, bytes, from, length)
      if (this.#hashes[number] === hash && this.#isText(number, bytes, from, length)) return number
    }
  }

  text(number: number): string {
    return this.#bytes.toString('utf8', this.#beginOf(number), this.#ends[number])
  }

  /** Number of a text of another one. */
  numberFrom(other: TextNumbers, number: number): number {
    const begin = other.#beginOf(number)
    return this.numberOf(other.#bytes, begin, other.#ends[number]! - begin)
  }

  #beginOf(number: number): number {
    return number === 0 ? 0 : this.#ends[number - 1]!
  }

  #isText(number: number, bytes: Uint8Array, from: number, length: number): boolean {
    const begin = this.#beginOf(number)
    if (this.#ends[number]! - begin !== length) return false
    for (let at = 0; at < length; at++) if (this.#bytes[begin + at] !== bytes[from + at]) return false
    return true
  }

  #add(slot: number, hash: number, bytes: Uint8Array, from: number, length: number): number {
    const [number, begin] = [this.#count, this.bytes]
    if (number === this.#hashes.length) {
      this.#hashes = grown(this.#hashes, new Int32Array(2 * number))
      this.#ends = grown(this.#ends, new Uint32Array(2 * number))
    }
    if (begin + length > this.#bytes.length)
      this.#bytes = grown(this.#bytes, Buffer.alloc(2 * Math.max(this.#bytes.length, length)))
    this.#hashes[number] = hash
    this.#ends[number] = begin + length
    this.#bytes.set(bytes.subarray(from, from + length), begin)
    this.#slots[slot] = ++this.#count
    if (this.#count > LOAD_MAX * this.#slots.length) this.#rehash()
    return number
  }

  #rehash(): void {
    this.#slots = new Int32Array(2 * this.#slots.length)
    for (let number = 0; number < this.#count; number++) {
      let slot = this.#hashes[number]! & (this.#slots.length - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = number + 1
    }
  }
}

function grown<Values extends Int32Array | Uint32Array | Buffer>(before: Values, larger: Values): Values {
  larger.set(before)
  return larger
}
