/**
 * SQL over Trino's HTTP protocol: a statement is posted, and its rows are fetched page by page until there is no next one. Each page can be
 * asked for again, so a connection that breaks in between loses nothing. https://trino.io/docs/current/develop/client-protocol.html
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '#core/backoff.ts'
import { httpAddress, shownAddress } from '../http/http-address.ts'
import { failureOf, TrinoError, type TrinoFailure } from './trino-error.ts'

export interface TrinoClientOptions {
  /** http(s)://[user:password@]host:port of the coordinator */
  readonly url: string
  /** default: that of the URL, or `watershed` */
  readonly user?: string
  readonly password?: string
  /** sent as `Authorization: Bearer` */
  readonly token?: string
  readonly catalog?: string
  readonly schema?: string
  /** session properties, for example { retry_policy: 'TASK' } */
  readonly session?: Readonly<Record<string, string>>
  /** how long a request waits for a coordinator that does not answer, ms; default 30 s */
  readonly outageMsMax?: number
  /** the longest answer, bytes; default 256 MiB: a page has 16 MiB or a few rows */
  readonly pageBytesMax?: number
}

export interface TrinoColumn {
  readonly name: string
  /** as Trino writes it, e.g. bigint, array(varchar), timestamp(6) */
  readonly type: string
}

export interface TrinoPage {
  readonly columns: readonly TrinoColumn[]
  /** see TrinoClient.pages */
  readonly rows: readonly (readonly unknown[])[]
}

export interface TrinoResult extends TrinoPage {
  readonly id: string
}

interface Reply {
  readonly id: string
  readonly nextUri?: string
  readonly columns?: readonly TrinoColumn[]
  readonly data?: readonly (readonly unknown[])[]
  readonly error?: TrinoFailure
}

const OUTAGE_MS_MAX = 30_000
/** a request without an answer for so long has failed; Trino answers within a second, also if there is nothing new */
const SILENCE_MS_MAX = 60_000
const PAGE_BYTES_MAX = 256 * 1024 * 1024
const WAIT = { waitMsFirst: 100, waitMsMax: 5_000 } as const
/** what a proxy, or a coordinator that is busy or starting, answers */
const PASSING_STATUS = new Set([429, 502, 503, 504])
/** Types of which a number in JSON may have more digits than a double. */
const WITH_DIGITS = /bigint|decimal/

export class TrinoClient {
  readonly #options: TrinoClientOptions
  readonly #address: ReturnType<typeof httpAddress>

  constructor(options: TrinoClientOptions) {
    this.#options = options
    this.#address = httpAddress(options.url.replace(/\/+$/, ''))
  }

  /** the address for messages */
  get shown(): string {
    return shownAddress(this.#options.url)
  }

  /** All rows of a statement that gives few. @throws TrinoError */
  async query(sql: string, signal?: AbortSignal): Promise<TrinoResult> {
    let columns: readonly TrinoColumn[] = []
    let id = ''
    const rows: (readonly unknown[])[] = []
    for await (const page of this.#replies(sql, signal)) {
      id = page.id
      columns = page.columns ?? columns
      rows.push(...(page.data ?? []))
    }
    return { id, columns, rows }
  }

  /**
   * The rows of a statement, page by page. Whole numbers of type BIGINT that a double cannot hold are of type bigint; decimals, dates and times
   * are text. If the caller stops reading or the signal is aborted, the statement is cancelled.
   *
   * @throws TrinoError
   */
  async *pages(sql: string, signal?: AbortSignal): AsyncGenerator<TrinoPage> {
    for await (const { columns = [], data } of this.#replies(sql, signal))
      if (data !== undefined && data.length > 0) yield { columns, rows: data }
  }

  async *#replies(sql: string, signal?: AbortSignal): AsyncGenerator<Reply> {
    let reply = await this.#send(`${this.#address.url}/v1/statement`, { method: 'POST', body: sql }, signal)
    let isOver = false
    try {
      for (;;) {
        const { error, nextUri, id } = reply
        if (error !== undefined || nextUri === undefined) isOver = true
        if (error !== undefined) throw failureOf(error, `Trino at ${this.shown}, statement ${id}`)
        yield reply
        if (nextUri === undefined) return
        reply = await this.#send(this.#own(nextUri), { method: 'GET' }, signal)
      }
    } finally {
      if (!isOver && reply.nextUri !== undefined) await this.#cancel(reply.nextUri)
    }
  }

  /** Credentials are sent to the configured address only. */
  #own(uri: string): string {
    if (new URL(uri).origin === new URL(this.#address.url).origin) return uri
    throw new TrinoError(
      'unexpected',
      `Trino at ${this.shown} refers to ${shownAddress(uri)}; behind a proxy set \`http-server.process-forwarded=true\` in Trino's config.properties, or use the address that Trino gives`,
    )
  }

  /** Tells Trino that nobody waits any more. If it cannot be told, it finds out by itself after minutes. */
  async #cancel(uri: string): Promise<void> {
    const request = { method: 'DELETE', headers: this.#headers(), signal: AbortSignal.timeout(WAIT.waitMsMax) }
    await fetch(this.#own(uri), request).catch(() => {})
  }

  async #send(url: string, request: RequestInit, signal: AbortSignal | undefined): Promise<Reply> {
    const tries = new Backoff({ retryMsMax: this.#options.outageMsMax ?? OUTAGE_MS_MAX, ...WAIT })
    for (;;) {
      signal?.throwIfAborted()
      const within = AbortSignal.any([AbortSignal.timeout(SILENCE_MS_MAX), ...(signal ? [signal] : [])])
      const { status, text } = await this.#fetch(url, { ...request, headers: this.#headers(), signal: within })
      if (status === 200) return this.#parse(text)
      signal?.throwIfAborted()
      if (status === 401 || status === 403)
        throw new TrinoError(
          'refused',
          `Trino at ${this.shown} answered ${status}: check trino.user, trino.password and trino.token; ${text.slice(0, 200)}`,
        )
      if (request.method === 'GET' && (status === 404 || status === 410))
        throw new TrinoError(
          'lost',
          `Trino at ${this.shown} does not know the statement any more (${status}): was it restarted?`,
        )
      if (status !== null && !PASSING_STATUS.has(status))
        throw new TrinoError(
          'unexpected',
          `Trino at ${this.shown} answered ${status}: check trino.url; ${text.slice(0, 500)}`,
        )
      const waitMs = tries.nextMs()
      if (waitMs === null)
        throw new TrinoError(
          'unreachable',
          `Trino at ${this.shown} does not answer (${status ?? text}, for ${Math.round(tries.passedMs / 1_000)} s): start it, or check trino.url`,
        )
      await sleep(waitMs, undefined, signal && { signal })
    }
  }

  async #fetch(url: string, request: RequestInit): Promise<Answered> {
    const { pageBytesMax = PAGE_BYTES_MAX } = this.#options
    const answered = await fetchText(url, request, pageBytesMax)
    if (answered !== 'too long') return answered
    throw new TrinoError(
      'unexpected',
      `Trino at ${this.shown} sent a page of more than ${pageBytesMax} bytes: one of its rows is too large to be received; or trino.url is the address of something else`,
    )
  }

  #parse(text: string): Reply {
    try {
      const reply = JSON.parse(text) as Reply
      const isWide = reply.data !== undefined && reply.columns?.some(({ type }) => WITH_DIGITS.test(type))
      return isWide ? (JSON.parse(text, wholeNumbers) as Reply) : reply
    } catch (cause) {
      const message = `Trino at ${this.shown} answered something that is not JSON: ${text.slice(0, 200)}; check trino.url`
      throw new TrinoError('unexpected', message, { cause })
    }
  }

  #user(): string {
    const login = new URL(this.#options.url).username
    return this.#options.user ?? (login === '' ? 'watershed' : decodeURIComponent(login))
  }

  #headers(): Record<string, string> {
    const { password, token, catalog, schema, session = {} } = this.#options
    const user = this.#user()
    const properties = Object.entries(session).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    return {
      ...this.#address.headers,
      ...(password !== undefined && { authorization: basicLogin(user, password) }),
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      'x-trino-user': user,
      'x-trino-source': 'watershed',
      'x-trino-time-zone': 'UTC',
      'x-trino-client-capabilities': 'PARAMETRIC_DATETIME',
      ...(catalog !== undefined && { 'x-trino-catalog': catalog }),
      ...(schema !== undefined && { 'x-trino-schema': schema }),
      ...(properties.length > 0 && { 'x-trino-session': properties.join(',') }),
    }
  }
}

function wholeNumbers(this: unknown, _key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !/^-?\d+$/.test(context!.source!)) return value
  return BigInt(context!.source!)
}

function basicLogin(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** `status` null: no answer, and `text` says why. */
interface Answered {
  readonly status: number | null
  readonly text: string
}

async function fetchText(url: string, request: RequestInit, bytesMax: number): Promise<Answered | 'too long'> {
  try {
    const { status, body } = await fetch(url, { ...request, redirect: 'error' })
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of body ?? []) {
      bytes += chunk.length
      if (bytes > bytesMax) return 'too long'
      chunks.push(chunk)
    }
    return { status, text: Buffer.concat(chunks).toString() }
  } catch (error) {
    const { cause, message } = error as Error
    return { status: null, text: cause instanceof Error ? cause.message : message }
  }
}
