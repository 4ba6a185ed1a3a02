/** A seeded stream of orders as lines of the log, each with what a correct reader makes of it: late, future-dated, repeated and unusable ones among them. */
import type { Random } from '#datasets/random.ts'
import { LATE_AFTER_MS } from './orders.ts'

/** What of an order is counted. */
export interface Order {
  readonly at: number
  readonly shop: string | null
  readonly kind: string | null
  readonly member: number | null
  readonly amount: number
  readonly large: bigint | null
  readonly weight: number | null
  readonly tags: readonly string[] | null
  /** arrived more than the dataset's `lateAfter` after its event time */
  readonly late: boolean
}

export interface Line {
  readonly text: string
  /** null: cannot be used, must become a dead letter */
  readonly order: Order | null
}

export const SHOPS = ['Köln', 'oslo', 'é😀', null] as const
export const KINDS = ['view', 'sale', "c'; DROP TABLE x", '', 'a,"b"', null] as const
export const TAGS = ['red', 'green', 'λ', '日本', '', 'x:y'] as const
const MEMBERS = 400
const DAY_MS = 86_400_000
const UNUSABLE = [
  '{"id":7,"at":',
  '[1,2]',
  '42',
  'null',
  '{"at":1700000000000}',
  '{"id":8,"at":"soon"}',
  '{"id":9}',
  'ü{',
]

export class SeededOrders {
  readonly #random: Random
  readonly #sent: Line[] = []
  #nextId = 1

  constructor(random: Random) {
    this.#random = random
  }

  next(nowMs: number): Line {
    const random = this.#random
    if (random.chance(0.03)) return { text: random.pick(UNUSABLE), order: null }
    // A repeated line counts again; one that was on time then is still on time by the margin below.
    const line = random.chance(0.05) && this.#sent.length > 0 ? random.pick(this.#sent) : this.#fresh(nowMs)
    this.#sent.push(line)
    return line
  }

  #fresh(nowMs: number): Line {
    const random = this.#random
    const { at, late } = this.#time(nowMs)
    const large = random.chance(0.1) ? null : 2n ** 53n + BigInt(random.below(1_000_000)) * 1_000_003n
    const order: Order = {
      at,
      late,
      large,
      shop: random.pick(SHOPS),
      kind: random.pickSkewed(KINDS),
      member: random.chance(0.05) ? null : random.belowSkewed(MEMBERS),
      amount: random.chance(0.1) ? 0 : random.below(1_000) - 100,
      weight: random.chance(0.1) ? null : random.below(4_000) / 16 - 20,
      tags: random.chance(0.15) ? null : TAGS.filter(() => random.chance(0.3)),
    }
    return { text: textOf(order, this.#nextId++, random), order }
  }

  /** Never near the border between late and on time: the log's clock decides, and the stream does not know it to the millisecond. */
  #time(nowMs: number): { at: number; late: boolean } {
    const random = this.#random
    if (random.chance(0.03)) return { at: nowMs + 3 * DAY_MS + random.below(DAY_MS), late: false }
    if (random.chance(0.08))
      return { at: nowMs - 2 * LATE_AFTER_MS - random.below(random.pick([LATE_AFTER_MS, 100 * DAY_MS])), late: true }
    return { at: nowMs - random.belowSkewed(100_000), late: false }
  }
}

/** Written by hand: JSON.stringify would round `large`. An amount of 0 is left out, or is no number: the default takes its place. */
function textOf({ at, shop, kind, member, amount, large, weight, tags }: Order, id: number, random: Random): string {
  const members = [
    `"id":${id}`,
    `"at":${at}`,
    ...(shop === null ? [] : [`"shop":${JSON.stringify(shop)}`]),
    `"what":{"kind":${JSON.stringify(kind)}}`,
    `"member":${member}`,
    ...(amount === 0 ? random.pick([[], ['"amount":"many"'], ['"amount":0']]) : [`"amount":${amount}`]),
    `"large":${large}`,
    `"weight":${weight}`,
    ...(tags === null ? [] : [`"tags":${JSON.stringify(tags.map((name) => ({ name })))}`]),
  ]
  return `{${members.join(',')}}`
}
