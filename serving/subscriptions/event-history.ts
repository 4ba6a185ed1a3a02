/** The last events of one live query, for readers that come back: bounded in number and bytes. */

/** One event of a stream, as it is sent to every reader. */
export interface LiveEvent {
  /** of the answer that a reader has after it */
  readonly id: string
  readonly bytes: Buffer
}

export interface HistoryLimits {
  /** events of one query that are kept for readers that come back */
  readonly historyEventsMax: number
  readonly historyBytesMax: number
}

export class EventHistory {
  readonly #limits: HistoryLimits
  #first: string
  #events: LiveEvent[] = []
  #bytes = 0

  /** @param first id of the answer before the first event */
  constructor(first: string, limits: HistoryLimits) {
    this.#first = first
    this.#limits = limits
  }

  add(event: LiveEvent): void {
    this.#events.push(event)
    this.#bytes += event.bytes.length
    const { historyEventsMax, historyBytesMax } = this.#limits
    while (this.#events.length > historyEventsMax || this.#bytes > historyBytesMax) {
      const oldest = this.#events.shift()!
      this.#bytes -= oldest.bytes.length
      this.#first = oldest.id
    }
  }

  /** The events that lead from the answer with this id to the newest one; null: they are not known. */
  after(id: string): readonly LiveEvent[] | null {
    const place = this.#events.findLastIndex((event) => event.id === id)
    if (place !== -1) return this.#events.slice(place + 1)
    return this.#first === id ? this.#events : null
  }
}
