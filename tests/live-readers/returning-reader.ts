/** A reader of a live stream that comes back with the id of its last event whenever the connection ends, as an EventSource does. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ReceivedEvent, StreamClient } from '../event-stream-client.ts'

const PAUSE_MS = 100

/** What came over one connection. */
export interface Stretch {
  /** number of the server's process */
  readonly life: number
  readonly events: readonly ReceivedEvent[]
}

export class ReturningReader {
  readonly url: string
  readonly stretches: Stretch[] = []
  readonly #life: () => number
  #client: StreamClient | null = null
  #isClosed = false
  #isRunning: Promise<void>

  /** @param life number of the server's process that answers now */
  constructor(url: string, life: () => number) {
    this.url = url
    this.#life = life
    this.#isRunning = this.#run()
  }

  /** the last event that left it with an answer */
  get last(): ReceivedEvent | null {
    const all = this.stretches.toReversed().flatMap(({ events }) => events.toReversed())
    return all.find(({ id }) => id !== undefined) ?? null
  }

  /** Whether something has come over the connection that it has now. */
  get isOpen(): boolean {
    return this.#client !== null && !this.#client.isOver && this.#client.events.length > 0
  }

  /** events of the process that answers now */
  get eventsNow(): number {
    const own = this.stretches.filter(({ life }) => life === this.#life())
    return own.reduce((sum, { events }) => sum + events.length, 0)
  }

  /** Loses the connection, as on a bad network. */
  drop(): void {
    this.#client?.close()
  }

  close(): Promise<void> {
    this.#isClosed = true
    this.drop()
    return this.#isRunning
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      await this.#follow().catch(() => {})
      if (!this.#isClosed) await sleep(PAUSE_MS * (0.5 + Math.random()))
    }
  }

  async #follow(): Promise<void> {
    const { last } = this
    const begin = last === null ? {} : { lastId: last.id!, rows: last.rows, meta: last.meta }
    const client = await StreamClient.open(this.url, {}, begin)
    this.stretches.push({ life: this.#life(), events: client.events })
    this.#client = client
    if (this.#isClosed) client.close()
    await client.over
  }
}
