/** Bounds the events per second that a source is read at: the reader waits, and with it the other side. */
import { setTimeout as sleep } from 'node:timers/promises'

/** what may be read at once after a pause */
const BURST_MS = 1_000

export class Pace {
  readonly #eventsPerSecondMax: number
  readonly #clock: () => number
  /** when everything that was taken is due */
  #paidMs = Number.NEGATIVE_INFINITY

  /** @param clock monotonic, ms */
  constructor(eventsPerSecondMax: number, clock: () => number = () => performance.now()) {
    this.#eventsPerSecondMax = eventsPerSecondMax
    this.#clock = clock
  }

  /** How long to wait after so many events, in ms. */
  owedMs(events: number): number {
    if (this.#eventsPerSecondMax === Number.POSITIVE_INFINITY) return 0
    const nowMs = this.#clock()
    this.#paidMs = Math.max(this.#paidMs, nowMs - BURST_MS) + (events * 1_000) / this.#eventsPerSecondMax
    return Math.max(0, this.#paidMs - nowMs)
  }

  async take(events: number, signal: AbortSignal): Promise<void> {
    const ms = this.owedMs(events)
    if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {})
  }
}
