/** Work that several clients wait for. It is stopped when the last of them is gone. */

import { whyOver } from '../answers/time-limit.ts'

export class SharedWork<Result> {
  readonly #stopping = new AbortController()
  readonly #result: Promise<Result>
  #waiting = 0

  /** @param work is begun at once; @param stopped is told when nobody waits any more */
  constructor(work: (signal: AbortSignal) => Promise<Result>, stopped: () => void) {
    this.#stopping.signal.addEventListener('abort', stopped)
    this.#result = work(this.#stopping.signal)
    this.#result.catch(() => {})
  }

  /** @throws what the work throws; ClientGoneError or QueryTimeoutError when `signal` is aborted before it ends */
  async join(signal?: AbortSignal): Promise<Result> {
    if (signal?.aborted) throw this.#leave(0, signal)
    this.#waiting++
    if (signal === undefined) return this.#result
    const gone = Promise.withResolvers<never>()
    const leave = (): void => gone.reject(this.#leave(1, signal))
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([this.#result, gone.promise])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #leave(clients: number, signal: AbortSignal): Error {
    this.#waiting -= clients
    if (this.#waiting === 0) this.#stopping.abort()
    return whyOver(signal)
  }
}
