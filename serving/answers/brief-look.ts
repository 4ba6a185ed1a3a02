/**
 * Reads something that may be unavailable, without letting answers wait for it: a read gets a limited time, and after one that failed or
 * took longer, the next ones fail at once. Meanwhile at most one read is in progress, beside the answers; when one succeeds, reads are made again.
 */
import { endsWithin } from '#core/ends-within.ts'

export interface BriefLookLimits {
  /** a read that takes longer counts as failed */
  readonly waitMsMax: number
  /** after a failure, nothing is read for this long */
  readonly restMs: number
}

interface Unavailable {
  readonly why: unknown
  /** monotonic, ms; infinite while a read is in progress */
  readonly againAtMs: number
}

export class BriefLook<Key> {
  readonly #limits: BriefLookLimits
  readonly #unavailable = new Map<Key, Unavailable>()

  constructor(limits: BriefLookLimits) {
    this.#limits = limits
  }

  /** @throws what the read throws, or threw the last time; an Error when it took longer than `waitMsMax` */
  async read<Result>(key: Key, read: () => Promise<Result>): Promise<Result> {
    const before = this.#unavailable.get(key)
    if (before !== undefined) {
      if (performance.now() >= before.againAtMs) {
        this.#unavailable.set(key, { ...before, againAtMs: Number.POSITIVE_INFINITY })
        void this.#told(key, read).catch(() => {})
      }
      throw before.why
    }
    const { waitMsMax } = this.#limits
    const found = this.#told(key, read)
    if (await endsWithin(found, waitMsMax)) return found
    found.catch(() => {})
    const why = new Error(`no response within ${waitMsMax} ms`)
    this.#unavailable.set(key, { why, againAtMs: Number.POSITIVE_INFINITY })
    throw why
  }

  async #told<Result>(key: Key, read: () => Promise<Result>): Promise<Result> {
    try {
      const found = await read()
      this.#unavailable.delete(key)
      return found
    } catch (why) {
      this.#unavailable.set(key, { why, againAtMs: performance.now() + this.#limits.restMs })
      throw why
    }
  }
}

/** The look at each object that is read, which all its readers share. */
export class BriefLooks<Key> {
  readonly #limits: BriefLookLimits
  readonly #looks = new WeakMap<object, BriefLook<Key>>()

  constructor(limits: BriefLookLimits) {
    this.#limits = limits
  }

  of(read: object): BriefLook<Key> {
    const look = this.#looks.get(read) ?? new BriefLook<Key>(this.#limits)
    this.#looks.set(read, look)
    return look
  }
}
