/** How much of the time goes into some kind of work, as a bucket that fills with time and is emptied by use. */

/** what is saved up at the most, ms */
const CREDIT_MS_MAX = 300

/**
 * ```ts
 * const share = new WorkShare(() => 0.3, 10_000)
 * share.use(400, 0) // 400 ms of work: 100 more than was saved up
 * share.isUsedUp(100) // true: 30 ms were earned since
 * share.usedUpMs(100) // 233.3…: until it is not
 * share.isUsedUp(400) // false
 * ```
 */
export class WorkShare {
  readonly #share: () => number
  readonly #usedUpMsMax: number
  #creditMs = CREDIT_MS_MAX
  #atMs: number | null = null
  #usedUntilMs = Number.NEGATIVE_INFINITY

  /** @param share of one processor, e.g. 0.3, as it is now; @param usedUpMsMax it comes back after so long, however much was used */
  constructor(share: () => number, usedUpMsMax: number) {
    this.#share = share
    this.#usedUpMsMax = usedUpMsMax
  }

  /** @param tookMs of work that ended at `atMs`, on a monotonic clock */
  use(tookMs: number, atMs: number): void {
    this.#earn(atMs)
    this.#creditMs = Math.max(-this.#share() * this.#usedUpMsMax, this.#creditMs - tookMs)
  }

  /** As `use`, of work that may be done beside other such work: time in which several were done counts once. */
  useBeside(fromMs: number, atMs: number): void {
    this.use(Math.max(0, atMs - Math.max(fromMs, this.#usedUntilMs)), atMs)
    this.#usedUntilMs = Math.max(atMs, this.#usedUntilMs)
  }

  isUsedUp(atMs: number): boolean {
    return this.savedUpMs(atMs) <= 0
  }

  /** @returns how much work may be done at once before it is used up, ms; below 0: what has to be earned first */
  savedUpMs(atMs: number): number {
    this.#earn(atMs)
    return this.#creditMs
  }

  /** @returns how long it is used up, ms; 0: it is not */
  usedUpMs(atMs: number): number {
    return Math.max(0, -this.savedUpMs(atMs) / this.#share())
  }

  #earn(atMs: number): void {
    const passedMs = atMs - (this.#atMs ?? atMs)
    this.#atMs = atMs
    this.#creditMs = Math.min(CREDIT_MS_MAX, this.#creditMs + passedMs * this.#share())
  }
}
