/** Trying again what may pass: waits that double up to a limit, with jitter so that many who failed at once do not come back at once. */

export interface RetryLimits {
  /** after this long without success nothing more is tried; 0: a single try */
  readonly retryMsMax: number
  readonly waitMsFirst: number
  readonly waitMsMax: number
}

/** doublings after which every limit is reached */
const DOUBLINGS_MAX = 30

/**
 * The wait after try number `attempt` (from 1) failed, in ms: `waitMsFirst`, doubled after each further one, at the most `waitMsMax`;
 * of that between half and all.
 */
export function backoffMs(
  attempt: number,
  { waitMsFirst, waitMsMax }: Omit<RetryLimits, 'retryMsMax'>,
  random: () => number = Math.random,
): number {
  const most = Math.min(waitMsMax, waitMsFirst * 2 ** Math.min(attempt - 1, DOUBLINGS_MAX))
  return Math.ceil(most * (0.5 + random() / 2))
}

/**
 * The tries of one piece of work, from the moment that this is made.
 *
 * ```ts
 * for (const tries = new Backoff(limits); ; ) {
 *   if (await work()) return
 *   const waitMs = tries.nextMs()
 *   if (waitMs === null) throw new Error(`not done in ${tries.passedMs} ms`)
 *   await sleep(waitMs)
 * }
 * ```
 */
export class Backoff {
  readonly #limits: RetryLimits
  readonly #beganMs = performance.now()
  #failed = 0

  constructor(limits: RetryLimits) {
    this.#limits = limits
  }

  get passedMs(): number {
    return performance.now() - this.#beganMs
  }

  /** Of `retryMsMax`; 0 when it is over. */
  get leftMs(): number {
    return Math.max(0, this.#limits.retryMsMax - this.passedMs)
  }

  /** Counts a failed try; the wait before the next one in ms, which never passes `retryMsMax`. Null when the time is over. */
  nextMs(): number | null {
    const { leftMs } = this
    this.#failed++
    return leftMs === 0 ? null : Math.min(leftMs, backoffMs(this.#failed, this.#limits))
  }
}
