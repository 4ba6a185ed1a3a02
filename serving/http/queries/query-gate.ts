/**
 * Limits how many queries run and wait at once; further queries are refused immediately instead of growing a queue. It is fair between
 * clients: none can take every slot or every place in the queue from the others.
 */

export interface GateLimits {
  readonly queriesMax: number
  /** running queries of one client */
  readonly queriesPerClientMax: number
  readonly queriesWaitingMax: number
}

/** The limit of waiting queries is reached. */
export class TooManyQueriesError extends Error {
  constructor({ queriesMax, queriesPerClientMax, queriesWaitingMax }: GateLimits) {
    super(
      `queriesMax = ${queriesMax} queries (queriesPerClientMax = ${queriesPerClientMax} of one client) are running and queriesWaitingMax = ${queriesWaitingMax} are waiting; retry in a second`,
    )
    this.name = 'TooManyQueriesError'
  }
}

interface Waiting {
  readonly client: string
  readonly start: () => void
  readonly refuse: (why: unknown) => void
}

export class QueryGate {
  readonly #limits: GateLimits
  /** by client */
  readonly #running = new Map<string, number>()
  #waiting: Waiting[] = []

  readonly #refusal: () => Error

  /** @param refusal what is thrown at the limit of waiting ones */
  constructor(limits: GateLimits, refusal = (): Error => new TooManyQueriesError(limits)) {
    this.#limits = limits
    this.#refusal = refusal
  }

  /**
   * Runs the work as soon as a slot is free.
   * @param client whose query it is: its key or address
   * @throws TooManyQueriesError if too many queries already wait; the signal's reason if it is aborted before
   */
  async run<T>(client: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    if (!this.#mayRun(client)) await this.#turn(client, signal)
    else this.#count(client, 1)
    try {
      return await work()
    } finally {
      this.#count(client, -1)
      this.#startNext()
    }
  }

  async #turn(client: string, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { client, start: resolve, refuse: reject }
    this.#makePlace(client)
    this.#waiting.push(waiting)
    const leave = (): void => {
      this.#remove(waiting)
      reject(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', leave))
  }

  /** In a full queue, the newest query of the client that has the most gives way to that of a client with fewer. */
  #makePlace(client: string): void {
    if (this.#waiting.length < this.#limits.queriesWaitingMax) return
    const places = Map.groupBy(this.#waiting, (waiting) => waiting.client)
    const most = [...places.values()].reduce<Waiting[]>((a, b) => (b.length > a.length ? b : a), [])
    if (most.length <= (places.get(client)?.length ?? 0) + 1) throw this.#refusal()
    const last = most.at(-1)!
    this.#remove(last)
    last.refuse(this.#refusal())
  }

  /** The client that runs the fewest goes first; of several, the one that has waited longest. */
  #startNext(): void {
    const able = this.#waiting.filter(({ client }) => this.#mayRun(client))
    const [first] = able
    if (first === undefined) return
    const next = able.reduce((a, b) => (this.#of(b.client) < this.#of(a.client) ? b : a), first)
    this.#remove(next)
    this.#count(next.client, 1)
    next.start()
  }

  #mayRun(client: string): boolean {
    const { queriesMax, queriesPerClientMax } = this.#limits
    const running = [...this.#running.values()].reduce((sum, count) => sum + count, 0)
    return running < queriesMax && this.#of(client) < queriesPerClientMax
  }

  #of(client: string): number {
    return this.#running.get(client) ?? 0
  }

  #count(client: string, change: number): void {
    const running = this.#of(client) + change
    if (running === 0) this.#running.delete(client)
    else this.#running.set(client, running)
  }

  #remove(gone: Waiting): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== gone)
  }
}
