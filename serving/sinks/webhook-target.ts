/** Delivers to a webhook: a signed POST of JSON under an idempotency key. Redirects are not followed. */
import { createHash, createHmac } from 'node:crypto'
import { Agent, request } from 'undici'
import { type Delivery, SinkFault, type SinkTarget } from './sink-target.ts'

export interface WebhookTargetOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** null: deliveries are not signed */
  readonly secret: string | null
  /** from the request to the end of the response's headers */
  readonly answerMsMax?: number
}

const ANSWER_MS_MAX = 30_000
const CONNECT_MS_MAX = 10_000
/** of a response that is a fault, for its reason */
const REASON_CHARS_MAX = 200
const REASON_BYTES_MAX = 64 * 1024
const RETRY_AFTER_MS_MAX = 3_600_000
const ID_CHARS_MAX = 200
const STANDARD_PREFIX = 'whsec_'

export class WebhookTarget implements SinkTarget {
  readonly #options: WebhookTargetOptions
  readonly #agent: Agent

  constructor(options: WebhookTargetOptions) {
    this.#options = options
    const { answerMsMax = ANSWER_MS_MAX } = options
    const connect = { timeout: Math.min(CONNECT_MS_MAX, answerMsMax) }
    this.#agent = new Agent({
      headersTimeout: answerMsMax,
      bodyTimeout: answerMsMax,
      connect,
      connections: 1,
      pipelining: 1,
    })
  }

  async deliver({ id, body }: Delivery, signal: AbortSignal): Promise<void> {
    const { url, headers, secret } = this.#options
    const bytes = Buffer.from(body)
    const sent = {
      'user-agent': 'watershed',
      ...headers,
      'content-type': 'application/json',
      'idempotency-key': `"${idOf(id)}"`,
      ...signatureHeaders(secret, idOf(id), bytes, Date.now()),
    }
    let response: Awaited<ReturnType<typeof request>>
    try {
      response = await request(url, { method: 'POST', headers: sent, body: bytes, dispatcher: this.#agent, signal })
    } catch (error) {
      throw new SinkFault(`${url.host}: ${textOf(error as Error)}`, null, { cause: error })
    }
    await judge(url, response)
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** As serving/http/intake/webhook-signature.ts checks them. The time is of this attempt. */
export function signatureHeaders(
  secret: string | null,
  id: string,
  body: Buffer,
  nowMs: number,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(nowMs / 1_000))
  const standard = { 'webhook-id': id, 'webhook-timestamp': timestamp }
  if (secret === null) return standard
  if (!secret.startsWith(STANDARD_PREFIX))
    return { ...standard, 'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}` }
  const key = Buffer.from(secret.slice(STANDARD_PREFIX.length), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  return { ...standard, 'webhook-signature': `v1,${mac}` }
}

/** Positions of many partitions are too long for a header. */
function idOf(id: string): string {
  return id.length <= ID_CHARS_MAX ? id : createHash('sha256').update(id).digest('hex')
}

/** @throws SinkFault for every status that is no success */
async function judge(url: URL, { statusCode, headers, body }: Awaited<ReturnType<typeof request>>): Promise<void> {
  if (statusCode >= 200 && statusCode < 300) {
    await body.dump({ limit: REASON_BYTES_MAX }).catch(() => {})
    return
  }
  const said = await reasonIn(body)
  const location =
    headers.location === undefined
      ? ''
      : `; redirects (to ${String(headers.location)}) are not followed: set the address that is meant`
  throw new SinkFault(
    `${url.host} answered with status ${statusCode}${said === '' ? '' : `: ${said}`}${location}`,
    retryAfterMs(headers['retry-after']),
  )
}

async function reasonIn(body: AsyncIterable<Buffer> & { destroy(): unknown }): Promise<string> {
  let text = ''
  try {
    for await (const part of body) {
      text += String(part)
      if (text.length >= REASON_CHARS_MAX) break
    }
  } catch {
    // What came before the fault is enough.
  }
  body.destroy()
  return text.replace(/\s+/g, ' ').trim().slice(0, REASON_CHARS_MAX)
}

/** In seconds, or as a date. */
function retryAfterMs(given: string | string[] | undefined): number | null {
  if (given === undefined) return null
  const text = String(given)
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), RETRY_AFTER_MS_MAX) : null
}

function textOf({ message, code, cause }: Error & { readonly code?: string }): string {
  const more = cause instanceof Error ? `: ${cause.message}` : ''
  return `${message === '' ? (code ?? 'no connection') : message}${more}`
}
