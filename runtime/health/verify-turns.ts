/**
 * Decides when a dataset is verified: after each full run, and again later if the verification was cancelled or its process ended. The
 * lake records which full run was verified, so verifications by other processes count.
 */
import type { Lake } from '#storage/lake/lake.ts'

export interface VerifyTurnsParts {
  readonly lake: Pick<Lake, 'current' | 'verification'>
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
/** the process that made a full run verifies it: others do so only if it did not within this time */
const OTHERS_MS_MAX = 3_600_000
/** how often the lake is read */
const LOOK_EVERY_MS = 60_000

export class VerifyTurns {
  readonly #parts: VerifyTurnsParts
  readonly #elapsed: () => number
  /** the unverified full run that was seen last */
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
    this.#seen = await this.#unverified().catch(() => this.#seen)
    await this.#turn()
  }

  /** Called every few seconds: verifies what was left unverified, when it is time. Never rejects. */
  async look(): Promise<void> {
    if (this.#running !== null || this.#elapsed() < this.#nextAtMs || !this.#parts.isFree()) return
    this.#nextAtMs = this.#elapsed() + LOOK_EVERY_MS
    // A lake that cannot be read is reported by those who answer from it.
    const unverified = await this.#unverified().catch(() => null)
    if (unverified === null) return
    if (unverified === this.#seen) return this.#turn()
    this.#seen = unverified
    this.#retryMs = RETRY_MS_FIRST
    this.#nextAtMs = this.#elapsed() + OTHERS_MS_MAX
  }

  /** Resolves when a running verification has ended; its own signal stops it. */
  async stop(): Promise<void> {
    this.#nextAtMs = Number.POSITIVE_INFINITY
    await this.#running
  }

  /** When the newest full run of the current generation finished, if nobody verified it. Compared for equality only: clocks may be set. */
  async #unverified(): Promise<number | null> {
    const { lake } = this.#parts
    const full = (await lake.current())?.fullFinishedAtMs
    if (full === undefined) return null
    return (await lake.verification())?.fullFinishedAtMs === full ? null : full
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
