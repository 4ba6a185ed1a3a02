/** How much of the time goes into computing answers, as a bucket that fills with time and is emptied by use. */

/** what is saved up at the most, and owed at the most, ms */
const CREDIT_MS_MAX = 300
const DEBT_MS_MAX = 3_000

/**
 * ```ts
 * const share = new ComputeShare(0.3)
 * share.use(400, 0) // 400 ms of work: 100 more than was saved up
 * share.isUsedUp(100) // true: 30 ms were earned since
 * share.isUsedUp(400) // false
 * ```
 */
export class ComputeShare {
  readonly #share: number
  #creditMs = CREDIT_MS_MAX
  #atMs: number | null = null

  /** @param share of one processor, e.g. 0.3 */
  constructor(share: number) {
    this.#share = share
  }

  /** @param tookMs of work that ended at `atMs`, on a monotonic clock */
  use(tookMs: number, atMs: number): void {
    this.#earn(atMs)
    this.#creditMs = Math.max(-DEBT_MS_MAX, this.#creditMs - tookMs)
  }

  isUsedUp(atMs: number): boolean {
    this.#earn(atMs)
    return this.#creditMs <= 0
  }

  #earn(atMs: number): void {
    const passedMs = atMs - (this.#atMs ?? atMs)
    this.#atMs = atMs
    this.#creditMs = Math.min(CREDIT_MS_MAX, this.#creditMs + passedMs * this.#share)
  }
}
