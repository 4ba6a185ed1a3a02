/** Limits how many queries run and wait at once; further queries are refused immediately instead of growing a queue. */

export interface GateLimits {
  readonly queriesMax: number
  readonly queriesWaitingMax: number
}

/** The limit of waiting queries is reached. */
export class TooManyQueriesError extends Error {
  constructor({ queriesMax, queriesWaitingMax }: GateLimits) {
    super(
      `queriesMax = ${queriesMax} queries are running and queriesWaitingMax = ${queriesWaitingMax} are waiting; retry in a second`,
    )
    this.name = 'TooManyQueriesError'
  }
}

export class QueryGate {
  readonly #limits: GateLimits
  #running = 0
  readonly #waiting: (() => void)[] = []

  constructor(limits: GateLimits) {
    this.#limits = limits
  }

  /** Runs the work as soon as a slot is free. @throws TooManyQueriesError if too many queries already wait */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limits.queriesMax) {
      if (this.#waiting.length >= this.#limits.queriesWaitingMax) throw new TooManyQueriesError(this.#limits)
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }
}
