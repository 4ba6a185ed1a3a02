/** All queries that are read live in this process: readers of the same query share one, and the number of both is bounded. */
import pLimit from 'p-limit'
import { WorkShare } from '../live/work-share.ts'
import { LiveQuery, type LiveQueryParts } from './live-query.ts'
import type { LiveReader } from './live-reader.ts'
import type { ReadFrom } from './live-seats.ts'
import type { SubscriptionLimits } from './subscription-limits.ts'
import { TooManyReadersError } from './too-many-readers.ts'

/** What is followed, and who reads it. */
export interface Subscription extends Pick<LiveQueryParts, 'live' | 'asked' | 'check'>, ReadFrom {
  /** tells what the check requires from what others do */
  readonly required: string
  /** whose reader it is: its key or address */
  readonly client: string
  /** minimum interval between two of its events, ms; absent or below it: `eventPauseMs` */
  readonly pauseMs?: number
}

/** computed at the same time: others leave room for queries that are asked once */
const COMPUTED_AT_ONCE = 2
const USED_UP_MS_MAX = 5_000

export class LiveSubscriptions {
  readonly #limits: SubscriptionLimits
  readonly #queries = new Map<string, LiveQuery>()
  readonly #clients = new Map<string, number>()
  readonly #share: WorkShare
  readonly #inTurn = pLimit(COMPUTED_AT_ONCE)
  readonly #heart: NodeJS.Timeout
  readonly #counted: (readers: number) => void
  #readers = 0
  #stopped = false

  /** @param counted told of the number of readers whenever it changes */
  constructor(limits: SubscriptionLimits, counted: (readers: number) => void = () => {}) {
    this.#counted = counted
    this.#limits = limits
    this.#share = new WorkShare(() => limits.liveShare, USED_UP_MS_MAX)
    this.#heart = setInterval(() => this.#beat(), limits.heartbeatMs)
    this.#heart.unref()
  }

  /** open now */
  get readers(): number {
    return this.#readers
  }

  /** @throws TooManyReadersError */
  assertRoom({ client, ...subscription }: Subscription): void {
    const { liveReadersMax, liveReadersPerClientMax, liveQueriesMax } = this.#limits
    const own = this.#clients.get(client) ?? 0
    if (this.#readers >= liveReadersMax) throw new TooManyReadersError('liveReadersMax', liveReadersMax)
    if (own >= liveReadersPerClientMax)
      throw new TooManyReadersError('liveReadersPerClientMax', liveReadersPerClientMax)
    if (!this.#queries.has(keyOf(subscription)) && this.#queries.size >= liveQueriesMax && !this.#dropIdle())
      throw new TooManyReadersError('liveQueriesMax', liveQueriesMax)
  }

  /**
   * Adds a reader.
   * @param open makes it, with what is to be called when it takes more
   * @returns what is to be called when it is gone
   * @throws TooManyReadersError
   */
  follow(subscription: Subscription, open: (drained: () => void) => LiveReader): () => void {
    this.assertRoom(subscription)
    const { client } = subscription
    const key = keyOf(subscription)
    const query = this.#queries.get(key) ?? this.#begin(key, subscription)
    const reader = open(() => query.wake())
    this.#count(client, 1)
    query.join(reader, subscription)
    return () => {
      this.#count(client, -1)
      query.leave(reader)
      this.#linger(key, query)
    }
  }

  /** Ends all streams, after what was sent. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#heart)
    await Promise.all([...this.#queries.values()].map((query) => query.stop()))
    this.#queries.clear()
  }

  #begin(key: string, { live, asked, check, pauseMs = 0 }: Subscription): LiveQuery {
    const inTurn: LiveQueryParts['inTurn'] = (work) => this.#inTurn(work)
    const limits = { ...this.#limits, eventPauseMs: Math.max(this.#limits.eventPauseMs, pauseMs) }
    const query = new LiveQuery({ live, asked, check, share: this.#share, inTurn, limits })
    this.#queries.set(key, query)
    return query
  }

  #count(client: string, change: number): void {
    this.#readers += change
    this.#counted(this.#readers)
    const own = (this.#clients.get(client) ?? 0) + change
    if (own === 0) this.#clients.delete(client)
    else this.#clients.set(client, own)
  }

  /** A reader that comes back soon finds the events that it missed. */
  #linger(key: string, query: LiveQuery): void {
    if (query.isRead || this.#stopped) return
    const drop = (): void => {
      if (!query.isRead && this.#queries.get(key) === query) this.#queries.delete(key)
    }
    setTimeout(drop, this.#limits.lingerMs).unref()
  }

  #dropIdle(): boolean {
    const idle = [...this.#queries].find(([, query]) => !query.isRead)
    return idle !== undefined && this.#queries.delete(idle[0])
  }

  #beat(): void {
    for (const query of this.#queries.values()) for (const reader of query.readers) reader.beat()
  }
}

function keyOf({
  live,
  asked,
  required,
  pauseMs = 0,
}: Pick<Subscription, 'live' | 'asked' | 'required' | 'pauseMs'>): string {
  return `${live.name}\n${required}\n${pauseMs}\n${asked.text}`
}
