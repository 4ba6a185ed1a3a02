/**
 * Fills a dictionary from a source, key by key, e.g. details of groups: within a rate limit and a queue limit, with retries of failed
 * requests, and with refreshes of expired entries. Fetched entries are published periodically
 * as one new version; a batch run pins the newest version, and counts the keys missing from it. A slow or dead source
 * therefore leaves answers less enriched, but never wrong or late.
 */
import PQueue from 'p-queue'
import pRetry, { AbortError } from 'p-retry'
import type { DictionaryStore } from './dictionary.ts'
import { type Attributes, FetchedEntries } from './fetched-entries.ts'

/**
 * Requests one key from the source; null: the source does not have it, which is remembered until it expires.
 * @throws FetchRefused if a retry is useless; SourceBusy if the source requests a pause; anything else is retried
 */
export type FetchKey = (key: string, signal: AbortSignal) => Promise<Attributes | null>

/** The source permanently refuses this request. */
export class FetchRefused extends Error {}

/** The source is rate-limiting: no request is sent for a while. */
export class SourceBusy extends Error {
  readonly restMs: number
  constructor(message: string, restMs: number) {
    super(message)
    this.restMs = restMs
  }
}

export interface FetchLimits {
  readonly requestsPerSecondMax: number
  readonly requestsAtOnceMax: number
  readonly requestMsMax: number
  /** maximum number of waiting keys; further keys are refused, and reported again by a later run */
  readonly keysWaitingMax: number
  /** maximum number of keys in the dictionary, including those that the source does not have */
  readonly keysMax: number
  /** retries of one key's request */
  readonly retriesMax: number
  /** before the first retry; doubles each time */
  readonly retryMs: number
  /** pause for a key whose requests all failed */
  readonly failedRestMs: number
  /** maximum pause for a busy source */
  readonly busyRestMsMax: number
  /** an entry is fetched again after this time; the old one is kept until that succeeds */
  readonly expiresAfterMs: number
  /** how often fetched entries are published, and expired ones are detected */
  readonly publishEveryMs: number
  /** after a publication, the next one waits for this time per entry of it: each writes all of them, for which the process does nothing else */
  readonly restMsPerEntry: number
}

export const FETCH_LIMITS: FetchLimits = {
  requestsPerSecondMax: 5,
  requestsAtOnceMax: 4,
  requestMsMax: 10_000,
  keysWaitingMax: 10_000,
  keysMax: 200_000,
  retriesMax: 4,
  retryMs: 1_000,
  failedRestMs: 300_000,
  busyRestMsMax: 60_000,
  expiresAfterMs: 7 * 86_400_000,
  publishEveryMs: 30_000,
  // About 10 µs to publish an entry: 1 % of the time.
  restMsPerEntry: 1,
}

export interface DictionaryFetcherOptions {
  readonly store: DictionaryStore
  readonly dictionary: string
  readonly fetch: FetchKey
  readonly limits?: Partial<FetchLimits>
  /** receives faults as sentences: only the first of consecutive failures */
  readonly onFault?: (message: string) => void
  /** epoch ms, by which entries expire: other processes read when they were fetched */
  readonly clock?: () => number
  /** monotonic ms, for how long a key whose requests failed is left alone */
  readonly elapsed?: () => number
}

export interface FetcherState {
  /** number of keys waiting for their request or its response */
  readonly waiting: number
  /** since the start: keys that were found, do not exist in the source, failed, or were refused for lack of room */
  readonly found: number
  readonly absent: number
  readonly failed: number
  readonly refused: number
  /** why the last request or publication failed; null after a success */
  readonly fault: string | null
}

export class DictionaryFetcher {
  readonly #options: DictionaryFetcherOptions
  readonly #limits: FetchLimits
  readonly #entries: FetchedEntries
  readonly #queue: PQueue
  readonly #stop = new AbortController()
  readonly #waiting = new Set<string>()
  /** key → until when it is not requested, monotonic ms */
  readonly #resting = new Map<string, number>()
  readonly #counts = { found: 0, absent: 0, failed: 0, refused: 0 }
  readonly #faults: Record<'fetching' | 'publishing', string | null> = { fetching: null, publishing: null }
  #publishing: Promise<void> = Promise.resolve()
  /** until when nothing is published again, monotonic ms */
  #restUntilMs = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | null = null

  constructor(options: DictionaryFetcherOptions) {
    this.#options = options
    this.#limits = { ...FETCH_LIMITS, ...options.limits }
    this.#entries = new FetchedEntries(options.store, options.dictionary, () => this.#nowMs)
    const { requestsAtOnceMax, requestsPerSecondMax } = this.#limits
    this.#queue = new PQueue({
      concurrency: requestsAtOnceMax,
      intervalCap: requestsPerSecondMax,
      interval: 1_000,
      strict: true,
    })
  }

  /** Publishes an empty version if there is none, so that runs start to count missing keys, and runs until `stop`. */
  start(): void {
    this.#timer = setInterval(() => void this.#exchange(false), this.#limits.publishEveryMs)
    void this.publish()
  }

  /** Queues the keys that are unknown or expired, as far as there is room. Returns immediately. */
  want(keys: Iterable<string>): void {
    const nowMs = this.#nowMs
    for (const key of keys) {
      const fresh = this.#entries.isFresh(key, nowMs - this.#limits.expiresAfterMs)
      if (fresh || this.#waiting.has(key) || this.#isResting(key)) continue
      const { keysWaitingMax, keysMax } = this.#limits
      if (this.#waiting.size >= keysWaitingMax || this.#entries.size + this.#waiting.size >= keysMax) this.#refuse()
      else this.#fetch(key)
    }
  }

  /** Publishes fetched entries, reads those of other processes, and fetches expired ones. Never rejects: faults are reported. */
  publish(): Promise<void> {
    return this.#exchange(true)
  }

  state(): FetcherState {
    const { fetching, publishing } = this.#faults
    return { waiting: this.#waiting.size, ...this.#counts, fault: fetching ?? publishing }
  }

  /** Drops waiting keys, and publishes fetched entries. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    this.#stop.abort(new Error('the fetcher was stopped'))
    this.#queue.clear()
    await this.publish()
  }

  get #nowMs(): number {
    return (this.#options.clock ?? Date.now)()
  }

  get #elapsedMs(): number {
    return this.#options.elapsed?.() ?? performance.now()
  }

  #isResting(key: string): boolean {
    const untilMs = this.#resting.get(key)
    return untilMs !== undefined && untilMs > this.#elapsedMs
  }

  /** @param atOnce also while the last publication is followed by a pause */
  #exchange(atOnce: boolean): Promise<void> {
    this.#publishing = this.#publishing.then(() => this.#exchangeNow(atOnce))
    return this.#publishing
  }

  async #exchangeNow(atOnce: boolean): Promise<void> {
    const nowMs = this.#nowMs
    for (const key of this.#resting.keys()) if (!this.#isResting(key)) this.#resting.delete(key)
    try {
      const published = await this.#entries.exchange(atOnce || this.#elapsedMs >= this.#restUntilMs)
      if (published > 0) this.#restUntilMs = this.#elapsedMs + published * this.#limits.restMsPerEntry
      this.#faults.publishing = null
    } catch (error) {
      return this.#tell(
        'publishing',
        `cannot be published: ${textOf(error)}; its content is kept in memory and published later`,
      )
    }
    if (this.#stop.signal.aborted) return
    const room = this.#limits.keysWaitingMax - this.#waiting.size
    this.want(this.#entries.expired(nowMs - this.#limits.expiresAfterMs).slice(0, Math.max(0, room)))
  }

  #fetch(key: string): void {
    this.#waiting.add(key)
    this.#tries(key)
      .then(
        (attributes) => this.#took(key, attributes),
        (error: unknown) => this.#failed(key, error),
      )
      .finally(() => this.#waiting.delete(key))
  }

  /** Each attempt counts as a request for the rate limit. */
  #tries(key: string): Promise<Attributes | null> {
    const { retriesMax, retryMs, requestMsMax } = this.#limits
    const { signal } = this.#stop
    return pRetry(
      () =>
        this.#queue.add(
          async () => {
            try {
              return await this.#options.fetch(key, AbortSignal.any([signal, AbortSignal.timeout(requestMsMax)]))
            } catch (error) {
              if (error instanceof SourceBusy) this.#rest(error.restMs)
              throw error instanceof FetchRefused ? new AbortError(error) : asError(error)
            }
          },
          { signal },
        ),
      { retries: retriesMax, minTimeout: retryMs, factor: 2, randomize: true, signal },
    )
  }

  #took(key: string, attributes: Attributes | null): void {
    this.#entries.put(key, attributes, this.#nowMs)
    this.#counts[attributes === null ? 'absent' : 'found']++
    this.#faults.fetching = null
  }

  #failed(key: string, error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#counts.failed++
    this.#resting.set(key, this.#elapsedMs + this.#limits.failedRestMs)
    this.#tell(
      'fetching',
      `key '${key}' cannot be fetched: ${textOf(error)}; it is missing for now and is requested again later`,
    )
  }

  #refuse(): void {
    this.#counts.refused++
    this.#tell(
      'fetching',
      `has no room for more keys (keysWaitingMax = ${this.#limits.keysWaitingMax}, keysMax = ${this.#limits.keysMax}); further keys are missing until a later run requests them`,
    )
  }

  #rest(restMs: number): void {
    if (this.#queue.isPaused) return
    this.#queue.pause()
    const timer = setTimeout(() => this.#queue.start(), Math.min(restMs, this.#limits.busyRestMsMax))
    this.#stop.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
  }

  #tell(doing: 'fetching' | 'publishing', what: string): void {
    if (this.#faults[doing] === null) this.#options.onFault?.(`dictionary '${this.#options.dictionary}' ${what}`)
    this.#faults[doing] = what
  }
}

/** p-retry treats a TypeError as a programming error; from fetch it is a failed request. */
function asError(error: unknown): Error {
  return error instanceof TypeError ? new Error(textOf(error), { cause: error }) : (error as Error)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
