/** HTTP for sources: bounded redirects that keep credentials at their host, time limits, and what a response means for the source. */
import type { Readable } from 'node:stream'
import { Agent, errors, request } from 'undici'
import { SourceFault } from './event-source.ts'

/** Where a source reads, with its secrets filled in. */
export interface HttpTarget {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** whether URL or headers carry credentials */
  readonly hasCredentials: boolean
}

export interface HttpResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Readable
}

export interface HttpAsk {
  /** parameters that are added to the URL; null: none */
  readonly parameters?: Readonly<Record<string, string | null>>
  readonly headers?: Readonly<Record<string, string>>
  /** statuses that are no fault, beside 200 */
  readonly accepted?: readonly number[]
  readonly signal: AbortSignal
}

const REDIRECTS_MAX = 5
const REDIRECTS = [301, 302, 303, 307, 308]
const CONNECT_MS_MAX = 30_000
/** of a response that is a fault, for its reason */
const REASON_CHARS_MAX = 200
const RETRY_AFTER_MS_MAX = 86_400_000
/** statuses below 500 that pass by themselves */
const PASSING = [408, 425, 429]

export class HttpClient {
  readonly #target: HttpTarget
  readonly #agent: Agent

  /** @param silenceMsMax a response that gives nothing for this long is a fault */
  constructor(target: HttpTarget, silenceMsMax: number) {
    this.#target = target
    const timeouts = { headersTimeout: silenceMsMax, bodyTimeout: silenceMsMax }
    const connect = { timeout: Math.min(CONNECT_MS_MAX, silenceMsMax) }
    this.#agent = new Agent({ ...timeouts, connect, pipelining: 1, connections: 1 })
  }

  /** Follows redirects. @throws SourceFault for every other response than 200 and the accepted ones */
  async get(ask: HttpAsk): Promise<HttpResponse> {
    let url = withParameters(this.#target.url, ask.parameters ?? {})
    for (let redirects = 0; ; redirects++) {
      const response = await this.#ask(url, ask)
      if (!REDIRECTS.includes(response.status)) return this.#judged(response, ask)
      response.body.destroy()
      if (redirects === REDIRECTS_MAX) throw new SourceFault(`${url.host}: more than ${REDIRECTS_MAX} redirects`)
      url = this.#redirected(url, response)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #ask(url: URL, { headers, signal }: HttpAsk): Promise<HttpResponse> {
    const sent = { 'accept-encoding': 'identity', 'user-agent': 'watershed', ...headers, ...this.#target.headers }
    try {
      const { statusCode, headers: got, body } = await request(url, { dispatcher: this.#agent, headers: sent, signal })
      body.on('error', () => {})
      return { status: statusCode, headers: got, body }
    } catch (error) {
      throw signal.aborted ? error : httpFault(error as Error, url.host)
    }
  }

  /** Credentials go to the origin that they are for, and to no other. */
  #redirected(from: URL, { headers, status }: HttpResponse): URL {
    const location = first(headers.location)
    if (location === undefined || !URL.canParse(location, from.href))
      throw new SourceFault(`${from.host} redirects (${status}), but not to a valid address`)
    const to = new URL(location, from)
    if (to.protocol !== 'https:' && to.protocol !== 'http:')
      throw new SourceFault(`${from.host} redirects to an address of protocol ${to.protocol}`, { isRefusal: true })
    if (to.origin === from.origin || !this.#target.hasCredentials) return to
    throw new SourceFault(
      `${from.origin} redirects to ${to.origin}, but the credentials are for the former; if they may be sent there, set this address as the source's url`,
      { isRefusal: true },
    )
  }

  async #judged(response: HttpResponse, { accepted = [] }: HttpAsk): Promise<HttpResponse> {
    const { status, headers } = response
    const encoding = first(headers['content-encoding']) ?? 'identity'
    if (status === 200 && encoding !== 'identity') {
      response.body.destroy()
      throw new SourceFault(`the response is encoded as ${encoding}, although it was asked for as it is`, {
        isRefusal: true,
      })
    }
    if (status === 200 || accepted.includes(status)) return response
    throw statusFault(status, headers, await reasonIn(response.body))
  }
}

/** What a status that is no success means. */
export function statusFault(status: number, headers: HttpResponse['headers'], reason: string): SourceFault {
  const said = reason === '' ? '' : `: ${reason}`
  const isRefusal = status < 500 && !PASSING.includes(status)
  return new SourceFault(`the other side answered with status ${status}${said}`, {
    isRefusal,
    retryAfterMs: retryAfterMs(headers),
  })
}

/** Retry-After in seconds or as a date, or the moment at which a used-up rate-limit window ends. */
export function retryAfterMs(headers: HttpResponse['headers'], nowMs: number = Date.now()): number | null {
  const after = first(headers['retry-after'])
  const byHeader = after === undefined ? null : /^\d+$/.test(after) ? Number(after) * 1_000 : Date.parse(after) - nowMs
  const ms = Number.isFinite(byHeader ?? Number.NaN) ? byHeader : windowEndMs(headers, nowMs)
  return ms === null ? null : Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX)
}

const SECONDS_SINCE_1970_MIN = 1_000_000_000

/** How long to wait if nothing remains of a rate-limit window: x-rate-limit-reset is a time, ratelimit-reset a number of seconds. */
export function windowEndMs(headers: HttpResponse['headers'], nowMs: number = Date.now()): number | null {
  for (const prefix of ['x-rate-limit', 'x-ratelimit', 'ratelimit']) {
    const remaining = first(headers[`${prefix}-remaining`])
    const reset = Number(first(headers[`${prefix}-reset`]) ?? Number.NaN)
    if (remaining === undefined || Number(remaining) > 0 || !Number.isFinite(reset)) continue
    return Math.max(0, reset >= SECONDS_SINCE_1970_MIN ? reset * 1_000 - nowMs : reset * 1_000)
  }
  return null
}

/** An error of the client in plain words. */
export function httpFault(error: Error, host: string): SourceFault {
  if (error instanceof SourceFault) return error
  if (error instanceof errors.BodyTimeoutError)
    return new SourceFault(`${host} was silent for too long, so it is connected anew`, { cause: error })
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.ConnectTimeoutError)
    return new SourceFault(`${host} did not answer in time`, { cause: error })
  const cause = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
  return new SourceFault(`${host}: ${cause === '' ? (error as NodeJS.ErrnoException).code : cause}`, { cause: error })
}

export function withParameters(url: URL, parameters: Readonly<Record<string, string | null>>): URL {
  const result = new URL(url)
  for (const [name, value] of Object.entries(parameters)) if (value !== null) result.searchParams.set(name, value)
  return result
}

export function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

async function reasonIn(body: Readable): Promise<string> {
  let text = ''
  try {
    for await (const chunk of body) {
      text += String(chunk)
      if (text.length >= REASON_CHARS_MAX) break
    }
  } catch {
    // What came before the fault is enough.
  }
  body.destroy()
  return text.replace(/\s+/g, ' ').trim().slice(0, REASON_CHARS_MAX)
}
