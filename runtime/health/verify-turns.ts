/**
 * Decides when a dataset is verified: when something is due (a full run, or a slice of history), and again later if the verification was
 * cancelled or its process ended. The lake records what was verified, so verifications by other processes count.
 */
import { CLOCKS_APART_MS_MAX } from '#batch-layer/due-runs.ts'
import { latestDueMs } from '#batch-layer/due-time.ts'
import type { Lake } from '#storage/lake/lake.ts'

export interface VerifyTurnsParts {
  /** what is to be verified, as a number to tell it from what was due before; null: nothing */
  readonly due: () => Promise<number | null>
  /** another process is expected to verify what is found due: others do so only if it did not within this time. Default 0 */
  readonly othersMsMax?: number
  /** one verification, which records its result; it never rejects */
  readonly verify: () => Promise<unknown>
  /** whether nothing more urgent is going on */
  readonly isFree: () => boolean
  /** monotonic ms */
  readonly elapsed?: () => number
}

/** before the first retry of a verification that was given up; doubles each time up to the maximum */
const RETRY_MS_FIRST = 300_000
const RETRY_MS_MAX = 3_600_000
/** the process that made a full run verifies it */
export const FULL_RUN_OTHERS_MS = 3_600_000
/** how often the lake is read */
const LOOK_EVERY_MS = 60_000

export class VerifyTurns {
  readonly #parts: VerifyTurnsParts
  readonly #elapsed: () => number
  /** what was seen due last */
  #seen: number | null = null
  #nextAtMs: number
  #retryMs = RETRY_MS_FIRST
  #running: Promise<void> | null = null

  constructor(parts: VerifyTurnsParts) {
    this.#parts = parts
    this.#elapsed = parts.elapsed ?? (() => performance.now())
    this.#nextAtMs = this.#elapsed()
  }

  /** Verifies now: the full run of this process has just been published. Resolves when that is done or was given up. */
  async afterFull(): Promise<void> {
    this.#retryMs = RETRY_MS_FIRST
    this.#seen = await this.#parts.due().catch(() => this.#seen)
    await this.#turn()
  }

  /** Called every few seconds: verifies what was left unverified, when it is time. Never rejects. */
  async look(): Promise<void> {
    if (this.#running !== null || this.#elapsed() < this.#nextAtMs || !this.#parts.isFree()) return
    this.#nextAtMs = this.#elapsed() + LOOK_EVERY_MS
    // A lake that cannot be read is reported by those who answer from it.
    const due = await this.#parts.due().catch(() => null)
    if (due === null) return
    if (due === this.#seen) return this.#turn()
    this.#seen = due
    this.#retryMs = RETRY_MS_FIRST
    const { othersMsMax = 0 } = this.#parts
    if (othersMsMax === 0) return this.#turn()
    this.#nextAtMs = this.#elapsed() + othersMsMax
  }

  get isRunning(): boolean {
    return this.#running !== null
  }

  /** Resolves when a running verification has ended; its own signal stops it. */
  async stop(): Promise<void> {
    this.#nextAtMs = Number.POSITIVE_INFINITY
    await this.#running
  }

  #turn(): Promise<void> {
    this.#running ??= this.#verify().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #verify(): Promise<void> {
    await this.#parts.verify()
    this.#nextAtMs = this.#elapsed() + this.#retryMs
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX)
  }
}

/** When the newest full run of the current generation finished, if nobody verified it. Compared for equality only: clocks may be set. */
export async function unverifiedFull(lake: Pick<Lake, 'current' | 'verification'>): Promise<number | null> {
  const full = (await lake.current())?.fullFinishedAtMs
  if (full === undefined) return null
  return (await lake.verification())?.fullFinishedAtMs === full ? null : full
}

/**
 * When a slice of history was last due, if none was proved since. Each dataset has a minute of the hour after the pattern's times, so that
 * those of one site do not all begin at once.
 *
 * @param pattern cron, in UTC
 * @throws LakeError
 */
export async function unprovedSlice(
  lake: Pick<Lake, 'dataset' | 'verification'>,
  pattern: string,
  nowMs = Date.now(),
): Promise<number | null> {
  const laterMs = minuteOf(lake.dataset) * MINUTE_MS
  const due = latestDueMs(pattern, nowMs - laterMs)
  if (due === null) return null
  const provedAtMs = (await lake.verification())?.proof?.sliceAtMs ?? 0
  // One of the future was proved under a clock that was ahead: when that really was is not known.
  return provedAtMs >= due + laterMs && provedAtMs <= nowMs + CLOCKS_APART_MS_MAX ? null : due
}

const MINUTE_MS = 60_000
const MINUTES = 60
const PRIME = 65_521

/**
 * ```ts
 * minuteOf('flights') // 34
 * ```
 */
export function minuteOf(dataset: string): number {
  let sum = 0
  for (const letter of dataset) sum = (sum * 33 + letter.codePointAt(0)!) % PRIME
  return sum % MINUTES
}
