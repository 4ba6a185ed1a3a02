/**
 * Waits for new records, or for enough of them, of all partitions with one read of the log's ends at a time; reads become rarer while nothing
 * arrives. A log that cannot report the ends of all partitions at once is not read here: its waits only become longer.
 */
import { endsWithin } from '#core/ends-within.ts'
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { StreamLimits } from './stream-limits.ts'

interface Waiting {
  readonly partition: number
  readonly from: Offset
  /** the wait ends when the log reaches this offset; null: when it ends anywhere but at `from` */
  readonly enough: Offset | null
  readonly untilMs: number
  readonly end: (moved: boolean) => void
}

/** from one wait in vain to the next */
const GROWTH = 1.5
/** a look that takes longer holds up no partition: each is read by itself */
const LOOK_MS_MAX = 2_000

export class LogWatch {
  readonly #log: Pick<EventLog, 'ends'>
  readonly #limits: Pick<StreamLimits, 'pollEveryMs' | 'idlePollEveryMs'>
  readonly #waiting = new Set<Waiting>()
  /** by partition, of waits in vain */
  readonly #vain = new Map<number, number>()
  #looking: Promise<void> | null = null

  constructor(log: Pick<EventLog, 'ends'>, limits: Pick<StreamLimits, 'pollEveryMs' | 'idlePollEveryMs'>) {
    this.#log = log
    this.#limits = limits
  }

  /**
   * Resolves when the log does not end at `from` any more, after `msMax` at the latest, or when the signal is aborted.
   * @param from end of what was read of the partition
   * @returns false: the log still ends at `from`, so that there is nothing to read
   */
  wait(partition: number, from: Offset, msMax: number, lost: AbortSignal): Promise<boolean> {
    return unlessLost(lost, ({ promise, resolve: end }) => {
      if (this.#log.ends === undefined) return this.#pause(partition, msMax, promise)
      return this.#join({ partition, from, enough: null, untilMs: performance.now() + msMax, end }, promise)
    })
  }

  /**
   * Waits until a partition has this many unread records, for `msMax` at most, or until the signal is aborted.
   * @param from end of what was read of the partition
   * @returns false: it has fewer
   */
  gather(partition: number, from: Offset, records: number, msMax: number, lost: AbortSignal): Promise<boolean> {
    return unlessLost(lost, async ({ promise, resolve: end }) => {
      const isSeen = this.#log.ends !== undefined
      // Without its ends, the log has to be read to find out.
      const timer = setTimeout(() => end(!isSeen), msMax)
      try {
        if (!isSeen) return await promise
        return await this.#join({ partition, from, enough: from + records, untilMs: Infinity, end }, promise)
      } finally {
        clearTimeout(timer)
      }
    })
  }

  /** The partition has records: the next wait is a short one again. */
  came(partition: number): void {
    this.#vain.delete(partition)
  }

  /** What the log holds then is not known. */
  async #pause(partition: number, msMax: number, lost: Promise<unknown>): Promise<boolean> {
    const { pollEveryMs, idlePollEveryMs } = this.#limits
    const waitMs = this.#vain.get(partition) ?? pollEveryMs
    this.#vain.set(partition, Math.min(waitMs * GROWTH, Math.max(idlePollEveryMs, pollEveryMs)))
    await Promise.race([elapsed(Math.min(waitMs, msMax)), lost])
    return true
  }

  async #join(waiting: Waiting, ended: Promise<boolean>): Promise<boolean> {
    this.#waiting.add(waiting)
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
    const moved = await ended
    this.#waiting.delete(waiting)
    return moved
  }

  async #look(): Promise<void> {
    const { pollEveryMs, idlePollEveryMs } = this.#limits
    for (let everyMs = pollEveryMs; this.#waiting.size > 0; ) {
      await elapsed(everyMs)
      const came = await this.#wake()
      everyMs = came ? pollEveryMs : Math.min(everyMs * GROWTH, Math.max(idlePollEveryMs, pollEveryMs))
    }
  }

  /** Ends the waits that are over. @returns whether records came */
  async #wake(): Promise<boolean> {
    const ends = await this.#ends()
    const nowMs = performance.now()
    let came = false
    for (const { partition, from, enough, untilMs, end } of this.#waiting) {
      // Also where the log ends earlier, or cannot be read: whoever reads it finds out why.
      const at = ends?.[partition]
      const moved = at === undefined || (enough === null ? at !== from : at < from || at >= enough)
      // Records that gather do not make the next reads more frequent.
      came ||= moved && enough === null
      if (moved || nowMs >= untilMs) end(moved)
    }
    return came
  }

  async #ends(): Promise<readonly Offset[] | null> {
    const ends = this.#log.ends!().catch(() => null)
    return (await endsWithin(ends, LOOK_MS_MAX)) ? ends : null
  }
}

/** Runs a wait, and ends it with `true` when the signal is aborted. */
async function unlessLost(
  lost: AbortSignal,
  wait: (ended: PromiseWithResolvers<boolean>) => Promise<boolean>,
): Promise<boolean> {
  if (lost.aborted) return true
  const ended = Promise.withResolvers<boolean>()
  const leave = (): void => ended.resolve(true)
  lost.addEventListener('abort', leave, { once: true })
  try {
    return await wait(ended)
  } finally {
    lost.removeEventListener('abort', leave)
  }
}

/** By the global timer, whose time tests can set; that of node:timers/promises runs on. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
