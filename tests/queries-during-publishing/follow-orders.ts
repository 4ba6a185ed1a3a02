/** A client that follows a query, leaves now and then and comes back; what it has after each event must be the recount. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '#datasets/random.ts'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { StreamClient } from '../event-stream-client.ts'
import { type AskedQuery, urlOf } from './asked-query.ts'
import { checkAnswer, withDigits } from './check-answer.ts'
import type { Ledger } from './ledger.ts'

export interface FollowParts {
  /** where the server listens */
  readonly address: string
  readonly ledger: Ledger
  readonly random: Random
  readonly over: AbortSignal
}

const STAY_MS_MAX = 2_000
const PAUSE_MS = 20
/** how old an answer may be when a client that comes back gets it */
const LATE_MS_MAX = 5_000

/** Places are plain numbers, values of rows have all of their digits. */
function parseRow(text: string): unknown {
  return JSON.parse(
    text,
    function (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) {
      return key === 'from' || key === 'at' ? value : withDigits.call(this, key, value, context)
    },
  )
}

export class OrdersFollower {
  readonly #parts: FollowParts
  readonly #query: AskedQuery
  /** events that were checked, by what they were */
  readonly counts = { answer: 0, change: 0, problem: 0, skipped: 0 }
  returns = 0
  #client: StreamClient | null = null
  #checkedMs = Date.now()
  #position: readonly number[] = []

  constructor(query: AskedQuery, parts: FollowParts) {
    this.#query = query
    this.#parts = parts
  }

  /** @throws the first event after which the client does not have the recount */
  async follow(): Promise<void> {
    const { random, over } = this.#parts
    while (!over.aborted) {
      const before = this.#client
      const begin = before === null ? {} : { lastId: before.lastId, rows: before.rows, meta: before.meta }
      const client = await StreamClient.open(`${this.#parts.address}${urlOf(this.#query)}`, {}, { ...begin, parseRow })
      if (!client.response.ok) throw new Error(`${client.response.status} ${await client.response.text()}`)
      if (before !== null) this.returns++
      this.#client = client
      await this.#check(client, performance.now() + random.below(STAY_MS_MAX))
      client.close()
    }
  }

  async #check(client: StreamClient, untilMs: number): Promise<void> {
    const { ledger, over } = this.#parts
    const beganMs = this.#checkedMs - LATE_MS_MAX
    let checked = 0
    // At least one event, so that there is something to come back with.
    while (!over.aborted && (checked === 0 || performance.now() < untilMs)) {
      for (const { event, rows, meta } of client.events.slice(checked)) {
        checked++
        this.counts[event as keyof typeof this.counts]++
        if (event === 'problem' || event === 'skipped') continue
        const answer = { data: rows, meta: meta as unknown as AnswerMeta }
        const asked = { query: this.#query, beganMs, endedMs: Date.now() }
        await checkAnswer(asked, answer, ledger)
        this.#checkOrder(answer.meta)
      }
      this.#checkedMs = Date.now()
      await sleep(PAUSE_MS)
    }
  }

  #checkOrder({ position }: AnswerMeta): void {
    if (position.some((offset, partition) => offset < (this.#position[partition] ?? 0)))
      throw new Error(`wanted no event from before ${this.#position}, got ${position}`)
    this.#position = position
  }
}
