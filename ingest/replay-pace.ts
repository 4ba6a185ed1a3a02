/** Replays recorded events at a chosen speed: each when its event time is due. */

export class ReplayPace {
  readonly #speed: number
  readonly #timeMsOf: (record: Buffer) => number | null
  readonly #clock: () => number
  /** the first event time, and when it was replayed */
  #start: { readonly eventMs: number; readonly clockMs: number } | null = null

  /**
   * @param speed event time per time: 60 replays a minute in a second
   * @param timeMsOf event time, epoch ms; null: due at once
   * @param clock monotonic, ms
   */
  constructor(
    speed: number,
    timeMsOf: (record: Buffer) => number | null,
    clock: () => number = () => performance.now(),
  ) {
    this.#speed = speed
    this.#timeMsOf = timeMsOf
    this.#clock = clock
  }

  /** How long to wait for the record, in ms; 0 for one that is late. */
  dueInMs(record: Buffer): number {
    const eventMs = this.#timeMsOf(record)
    if (eventMs === null) return 0
    const nowMs = this.#clock()
    this.#start ??= { eventMs, clockMs: nowMs }
    return Math.max(0, this.#start.clockMs + (eventMs - this.#start.eventMs) / this.#speed - nowMs)
  }
}
