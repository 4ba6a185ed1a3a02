/**
 * One budget of bytes for what all partitions of a process hold: their micro-batches and open segments, of all datasets together. Where the
 * open segments exceed their part, the largest one closes; each partition reads at once what its share of the rest allows. So what a
 * process holds does not grow with its partitions.
 */

/** micro-batches may have this part of the budget, open segments the rest */
const READ_PART = 4

export class OpenBudget {
  readonly #bytesMax: number
  /** by owner: bytes of its open segment */
  readonly #open = new Map<object, number>()
  #bytes = 0

  /** @param bytesMax openBytesMax */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** What all open segments hold. */
  get bytes(): number {
    return this.#bytes
  }

  /** What one owner may read at once. A larger record is read alone. */
  get readBytesMax(): number {
    return Math.floor(this.#bytesMax / READ_PART / Math.max(1, this.#open.size))
  }

  /** Records the size of an owner's open segment, 0 for an empty one. */
  hold(owner: object, bytes: number): void {
    this.#bytes += bytes - (this.#open.get(owner) ?? 0)
    this.#open.set(owner, bytes)
  }

  /** The owner holds nothing any more, and reads nothing. */
  release(owner: object): void {
    this.#bytes -= this.#open.get(owner) ?? 0
    this.#open.delete(owner)
  }

  /** Whether the open segments have all they may: nothing is read until one of them has closed. */
  get full(): boolean {
    return this.#bytes > this.#bytesMax - this.#bytesMax / READ_PART
  }

  /** Whether the owner's segment has to close, because it is the largest of too many bytes. */
  mustClose(owner: object): boolean {
    if (!this.full) return false
    const own = this.#open.get(owner) ?? 0
    return own > 0 && own >= Math.max(...this.#open.values())
  }
}
