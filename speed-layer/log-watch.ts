/**
 * Waits for new records of all partitions together: one look at the log at a time, whatever their number, and rarer ones while nothing
 * comes. A log that cannot tell the ends of all partitions at once is not looked at here: its waits only become longer.
 */
import type { Offset } from '#core/offsets.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { StreamLimits } from './stream-limits.ts'

interface Waiting {
  readonly partition: number
  readonly from: Offset
  readonly untilMs: number
  readonly end: () => void
}

/** from one wait in vain to the next */
const GROWTH = 1.5

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
   */
  async wait(partition: number, from: Offset, msMax: number, lost: AbortSignal): Promise<void> {
    if (lost.aborted) return
    const { promise, resolve: end } = Promise.withResolvers<void>()
    const leave = (): void => end()
    lost.addEventListener('abort', leave, { once: true })
    if (this.#log.ends === undefined) await this.#pause(partition, msMax, promise)
    else await this.#join({ partition, from, untilMs: performance.now() + msMax, end }, promise)
    lost.removeEventListener('abort', leave)
  }

  /** The partition has records: the next wait is a short one again. */
  came(partition: number): void {
    this.#vain.delete(partition)
  }

  async #pause(partition: number, msMax: number, lost: Promise<void>): Promise<void> {
    const { pollEveryMs, idlePollEveryMs } = this.#limits
    const waitMs = this.#vain.get(partition) ?? pollEveryMs
    this.#vain.set(partition, Math.min(waitMs * GROWTH, Math.max(idlePollEveryMs, pollEveryMs)))
    await Promise.race([elapsed(Math.min(waitMs, msMax)), lost])
  }

  async #join(waiting: Waiting, ended: Promise<void>): Promise<void> {
    this.#waiting.add(waiting)
    this.#looking ??= this.#look().finally(() => {
      this.#looking = null
    })
    await ended
    this.#waiting.delete(waiting)
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
    const ends = await this.#log.ends!().catch(() => null)
    const nowMs = performance.now()
    let came = false
    for (const { partition, from, untilMs, end } of this.#waiting) {
      // Also where the log ends earlier, or cannot be read: whoever reads it finds out why.
      const moved = ends === null || ends[partition] !== from
      came ||= moved
      if (moved || nowMs >= untilMs) end()
    }
    return came
  }
}

/** By the global timer, whose time tests can set; that of node:timers/promises runs on. */
function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
