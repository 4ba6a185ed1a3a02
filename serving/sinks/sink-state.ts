/**
 * What a sink has delivered, and what it is delivering, in one durable text. A delivery is written down before it is made for the first
 * time: whatever happens, it is repeated word by word until it is taken, and only then does the next one begin.
 */
import type { NamedTexts } from '#storage/texts/named-texts.ts'

/** An answer that the receiver has, or is to get. */
export interface SinkAnswer {
  readonly id: string
  readonly rowsJson: string
  readonly metaJson: string
}

export interface SinkState {
  /** the query that it is of: another one begins anew */
  readonly query: string
  readonly delivered: SinkAnswer | null
  readonly pending: SinkAnswer | null
  /** taken by the receiver, since the state began */
  readonly deliveries: number
  /** epoch ms; null: none yet */
  readonly lastDeliveryMs: number | null
}

export class SinkStateText {
  readonly #texts: NamedTexts
  readonly #name: string

  /** @param texts of the sinks of a dataset */
  constructor(texts: NamedTexts, sink: string) {
    this.#texts = texts
    this.#name = `${sink}.state`
  }

  /** Begins anew where there is none, or one of another query. @throws Error if it cannot be read */
  async read(query: string): Promise<SinkState> {
    const none: SinkState = { query, delivered: null, pending: null, deliveries: 0, lastDeliveryMs: null }
    const text = await this.#texts.read(this.#name)
    if (text === null) return none
    try {
      const state = JSON.parse(text) as SinkState
      return state.query === query ? state : none
    } catch (error) {
      const place = this.#texts.nameOf(this.#name)
      throw new Error(`${place} is damaged; delete it, and the receiver gets the whole answer again`, { cause: error })
    }
  }

  /** Durable when it resolves. */
  write(state: SinkState): Promise<void> {
    return this.#texts.replace(this.#name, JSON.stringify(state))
  }
}
