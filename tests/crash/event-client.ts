/** A client that posts events for as long as the platform lives, and keeps its own record of what was acknowledged. Nothing is sent twice. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '#datasets/random.ts'

export interface Acknowledged {
  readonly id: number
  readonly partition: number
  readonly offset: number
}

interface Reply {
  readonly rows: readonly {
    readonly index: number
    readonly status: string
    readonly partition?: number
    readonly offset?: number
  }[]
}

const KINDS = ['view', 'sale', 'return', 'Grüße', null] as const
const TAGS = ['red', 'green', 'blue', 'λ', ''] as const
const BATCH_ROWS_MAX = 20
/** enough events for every step; more only cost processor time */
const POST_EVERY_MS = 10
const AWAY_MS = 50
/** share of events that cannot be used */
const UNUSABLE_SHARE = 0.02

export class EventClient {
  readonly acknowledged: Acknowledged[] = []
  /** ids that were sent, with or without an answer */
  readonly sent = new Set<number>()
  readonly #random: Random
  #nextId = 1

  constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /** Posts batch after batch until the platform no longer answers or the signal says stop. */
  async postUntilGone(address: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!(await this.postOne(address))) return
      await sleep(POST_EVERY_MS)
    }
  }

  /** Posts batch after batch until the signal says stop, also while no answer comes: what was sent then is never sent again. */
  async postThrough(address: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await sleep((await this.postOne(address)) ? POST_EVERY_MS : AWAY_MS)
  }

  /** Posts one batch. Returns false when no answer came. @throws when the answer is not what a platform in order gives */
  async postOne(address: string): Promise<boolean> {
    const ids = Array.from({ length: 1 + this.#random.below(BATCH_ROWS_MAX) }, () => this.#nextId++)
    for (const id of ids) this.sent.add(id)
    const body = ids.map((id) => this.#line(id)).join('\n')
    let reply: Response
    let verdicts: Reply
    try {
      reply = await fetch(`${address}/v1/datasets/crash_events/events?verdicts=all`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
      })
      verdicts = (await reply.json()) as Reply
    } catch {
      return false
    }
    if (reply.status === 429 || reply.status === 503) return true
    if (reply.status !== 202 && reply.status !== 400) {
      throw new Error(`posting ${ids.length} events gave status ${reply.status}: ${JSON.stringify(verdicts)}`)
    }
    for (const { index, status, partition, offset } of verdicts.rows ?? []) {
      if (status === 'accepted') this.acknowledged.push({ id: ids[index]!, partition: partition!, offset: offset! })
    }
    return true
  }

  #line(id: number): string {
    const random = this.#random
    const unusable = random.chance(UNUSABLE_SHARE)
    const late = random.chance(0.05) ? random.below(7_200_000) : random.below(500)
    const future = random.chance(0.01) ? 3 * 86_400_000 : 0
    return JSON.stringify({
      id,
      at: unusable ? 'never' : Date.now() - late + future,
      kind: random.pick(KINDS),
      amount: random.below(1_000) - 200,
      weight: random.next() * 10,
      tags: TAGS.filter(() => random.chance(0.4)),
    })
  }
}
