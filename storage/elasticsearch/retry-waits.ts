/** How long to wait before each further try: doubling, with full jitter, so that many writers do not come back at once. */

export interface RetryLimits {
  /** after this long without success a request fails */
  readonly retryMsMax: number
  readonly waitMsFirst: number
  readonly waitMsMax: number
}

export const DEFAULT_RETRY_LIMITS: RetryLimits = { retryMsMax: 60_000, waitMsFirst: 100, waitMsMax: 5_000 }

/**
 * The wait before try number `attempt` (from 1), in ms: between half and all of `waitMsFirst` doubled that often, and never past
 * `leftMs`. Null when the time is over.
 */
export function waitMs(
  attempt: number,
  leftMs: number,
  limits: RetryLimits,
  random: () => number = Math.random,
): number | null {
  if (leftMs <= 0) return null
  const most = Math.min(limits.waitMsMax, limits.waitMsFirst * 2 ** Math.min(attempt - 1, 30))
  return Math.min(leftMs, Math.ceil(most * (0.5 + random() / 2)))
}
