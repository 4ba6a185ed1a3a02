/** A small seeded generator of random numbers: the same seed gives the same stream on every machine. */
export class Random {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Uniform in [0, 1). Mulberry32 (Tommy Ettinger, public domain): one 32-bit state, period 2^32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below)
  }

  chance(share: number): boolean {
    return this.next() < share
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  /** Like below, but small numbers come much more often: the square of a uniform number. */
  belowSkewed(below: number): number {
    const u = this.next()
    return Math.floor(u * u * below)
  }

  pickSkewed<T>(from: readonly T[]): T {
    return from[this.belowSkewed(from.length)]!
  }
}
