/**
 * A connection to one Elasticsearch cluster, with the official client. Every request is retried after 429, 5xx, a lost
 * connection or a timeout, until a deadline, so every request sent here must be idempotent.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, errors } from '@elastic/elasticsearch'
import client from '@elastic/elasticsearch/package.json' with { type: 'json' }
import { Backoff, type RetryLimits } from '#core/backoff.ts'
import { ElasticsearchError, reasonText } from './elasticsearch-error.ts'

export interface ElasticsearchConnectionOptions {
  /** e.g. http://127.0.0.1:9200 */
  readonly node: string
  readonly auth?: { readonly username: string; readonly password: string } | { readonly apiKey: string } | null
  /** one attempt of one request */
  readonly requestMsMax?: number
  readonly retry?: Partial<RetryLimits>
  /**
   * called if a request is retried: at its first failure, and every `TELL_EVERY_MS` while it keeps failing. An index that was just made, and
   * whose shards are not there for up to `SHARDS_MS`, is no failure
   */
  readonly onRetry?: (message: string) => void
}

export interface ElasticsearchRequest {
  /** for messages, e.g. 'flushing partition 3 through offset 7' */
  readonly doing: string
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  /** begins with a slash; names in it are already encoded */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly body?: object
  /** newline-delimited JSON, instead of `body` */
  readonly lines?: Buffer
  /** statuses that the caller handles: they are returned instead of thrown or retried */
  readonly accept?: readonly number[]
  /** overrides the connection's deadline for all attempts together */
  readonly retryMsMax?: number
  /** overrides the connection's limit for one attempt */
  readonly requestMsMax?: number
}

export type RequestLimits = Pick<ElasticsearchRequest, 'retryMsMax' | 'requestMsMax'>

export interface ElasticsearchAnswer<T> {
  readonly status: number
  readonly body: T
}

/** of every request, where nothing else is said */
export const ELASTICSEARCH_RETRY_LIMITS: RetryLimits = { retryMsMax: 60_000, waitMsFirst: 100, waitMsMax: 5_000 }
const REQUEST_MS_MAX = 30_000
const TELL_EVERY_MS = 10_000
const SHARDS_MS = 2_000
/** said of an index whose shards are not there, yet or any more */
const NO_SHARDS = /missing shards|all shards failed/
/** Other messages of the client's own timeouts: with our abort signal, and in the middle of a response. */
const TOO_LATE = ['Request aborted', 'Headers Timeout Error', 'Body Timeout Error']
export const CLIENT_MAJOR = Number(client.version.split('.')[0])

export class ElasticsearchConnection {
  /** URL for messages, without user and password */
  readonly node: string
  readonly #client: Client
  readonly #retry: RetryLimits
  readonly #onRetry: (message: string) => void
  readonly #closing = new AbortController()

  constructor(options: ElasticsearchConnectionOptions) {
    this.node = placeOf(options.node)
    this.#retry = { ...ELASTICSEARCH_RETRY_LIMITS, ...options.retry }
    this.#onRetry = options.onRetry ?? (() => {})
    this.#client = new Client({
      node: options.node,
      auth: options.auth ?? undefined,
      maxRetries: 0,
      requestTimeout: options.requestMsMax ?? REQUEST_MS_MAX,
    })
  }

  /** @throws ElasticsearchError; 'unavailable' only after the deadline */
  async request<T>(request: ElasticsearchRequest): Promise<ElasticsearchAnswer<T>> {
    const tries = new Backoff({ ...this.#retry, retryMsMax: request.retryMsMax ?? this.#retry.retryMsMax })
    const beganMs = performance.now()
    let toldMs = Number.NEGATIVE_INFINITY
    for (;;) {
      try {
        return await this.#once<T>(request)
      } catch (error) {
        const fault = this.#faultOf(error, request)
        const { leftMs } = tries
        const waitMs = fault.reason === 'unavailable' ? tries.nextMs() : null
        if (waitMs === null) throw fault
        const nowMs = performance.now()
        const mayBeNew = NO_SHARDS.test(fault.message) && nowMs - beganMs < SHARDS_MS
        if (!mayBeNew && nowMs - toldMs >= TELL_EVERY_MS) {
          toldMs = nowMs
          this.#onRetry(`${fault.message}; retrying for up to ${Math.ceil(leftMs / 1_000)} s, no data is lost`)
        }
        await this.pause(waitMs, request.doing)
      }
    }
  }

  /** Waits; throws early if the connection is closed. */
  async pause(ms: number, doing: string): Promise<void> {
    const { signal } = this.#closing
    await sleep(ms, undefined, { signal }).catch(() => {
      throw this.#closed(doing)
    })
  }

  /** @throws ElasticsearchError 'version' if the server's major version differs from the client's, which is incompatible */
  async checkVersion(limits: RequestLimits = {}): Promise<void> {
    const doing = 'reading the server version'
    const root = await this.request<{ version?: { number?: string } }>({
      doing,
      method: 'GET',
      path: '/',
      accept: [405],
      ...limits,
    })
    const version = root.body.version?.number ?? (await this.#nodeVersion(doing, limits))
    if (Number(version.split('.')[0]) !== CLIENT_MAJOR) throw this.#otherMajor(`version ${version}`)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#client.close()
  }

  /** For servers without `GET /`, such as test distributions. */
  async #nodeVersion(doing: string, limits: RequestLimits): Promise<string> {
    const tries = new Backoff(this.#retry)
    for (;;) {
      const { body } = await this.request<{ nodes?: Record<string, { version: string }> }>({
        doing,
        method: 'GET',
        path: '/_nodes/http',
        query: { filter_path: 'nodes.*.version' },
        ...limits,
      })
      const [node] = Object.values(body.nodes ?? {})
      if (node !== undefined) return node.version
      // While it boots, a server answers before it knows itself.
      const waitMs = tries.nextMs()
      if (waitMs === null)
        throw new ElasticsearchError('unavailable', `Elasticsearch at ${this.node}: ${doing}: it knows no node yet`)
      await this.pause(waitMs, doing)
    }
  }

  async #once<T>(request: ElasticsearchRequest): Promise<ElasticsearchAnswer<T>> {
    const { method, path, query, body, lines, accept, requestMsMax: requestTimeout } = request
    const what = lines === undefined ? { body } : { bulkBody: lines }
    const answer = await this.#client.transport.request<T>(
      { method, path, querystring: { ...query }, ...what },
      {
        meta: true,
        ignore: [...(accept ?? [])],
        signal: this.#closing.signal,
        ...(requestTimeout && { requestTimeout }),
      },
    )
    return { status: answer.statusCode, body: answer.body }
  }

  #faultOf(error: unknown, { doing }: ElasticsearchRequest): ElasticsearchError {
    if (error instanceof ElasticsearchError) return error
    if (this.#closing.signal.aborted) return this.#closed(doing)
    const where = `Elasticsearch at ${this.node}: ${doing}`
    if (error instanceof errors.ResponseError) return this.#answered(error, where)
    if (error instanceof errors.ProductNotSupportedError)
      return new ElasticsearchError('refused', `${where}: the server at this address is not Elasticsearch`, null, error)
    if (error instanceof errors.ElasticsearchClientError && !(error instanceof errors.ConfigurationError)) {
      const late = error instanceof errors.TimeoutError || TOO_LATE.includes(error.message)
      const why = late ? 'the server did not respond in time' : `${error.name}, ${error.message}`
      return new ElasticsearchError('unavailable', `${where}: ${why}`, null, error)
    }
    return new ElasticsearchError('refused', `${where}: ${(error as Error).message}`, null, error)
  }

  #answered(error: errors.ResponseError, where: string): ElasticsearchError {
    const status = error.statusCode ?? 0
    const reason = reasonText(error.body)
    if (status === 429 || status >= 500 || status === 408)
      return new ElasticsearchError('unavailable', `${where}: the server responded ${status}, ${reason}`, status, error)
    if (/compatible-with|media.type/i.test(reason)) return this.#otherMajor('another major version')
    if (status === 404) return new ElasticsearchError('missing', `${where}: ${reason}`, status, error)
    const advice = status === 401 || status === 403 ? '; check the user and its privileges' : ''
    return new ElasticsearchError(
      'refused',
      `${where}: the server responded ${status}, ${reason}${advice}`,
      status,
      error,
    )
  }

  #otherMajor(version: string): ElasticsearchError {
    return new ElasticsearchError(
      'version',
      `Elasticsearch at ${this.node} has ${version}, but ${CLIENT_MAJOR}.x is required: run a server of major version ${CLIENT_MAJOR}`,
    )
  }

  #closed(doing: string): ElasticsearchError {
    return new ElasticsearchError('closed', `Elasticsearch at ${this.node}: ${doing}: the connection was closed`)
  }
}

/** No part of an invalid URL is shown: a password may be anywhere in it. */
function placeOf(node: string): string {
  if (!URL.canParse(node)) return 'an invalid URL'
  const { protocol, host, pathname } = new URL(node)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`
}
