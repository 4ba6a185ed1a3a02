/** A real HTTP proxy on loopback in front of an S3 server, which loses answers, throttles, delays, and lists late. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

export interface SeenRequest {
  readonly method: string
  /** with the bucket and the query */
  readonly path: string
}

type Fault = 'lose-answer' | 'slow-down' | { readonly delayMs: number }

interface Plan {
  readonly match: (request: SeenRequest) => boolean
  readonly fault: Fault
  left: number
}

export class S3Proxy {
  readonly seen: SeenRequest[] = []
  /** faults injected so far */
  injected = 0
  readonly #target: URL
  readonly #server: Server
  readonly #plans: Plan[] = []
  #unlisted: RegExp | null = null
  #refused: Plan['match'] = () => false

  /** @param target e.g. http://127.0.0.1:9000 */
  static async start(target: string): Promise<S3Proxy> {
    const proxy = new S3Proxy(new URL(target))
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(target: URL) {
    this.#target = target
    this.#server = createServer((incoming, answer) => {
      this.#forward(incoming, answer).catch(() => answer.destroy())
    })
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The next matching requests have this fault. 'lose-answer': they are carried out, and the connection ends without an answer. */
  inject(fault: Fault, times: number, match: Plan['match']): void {
    this.#plans.push({ match, fault, left: times })
  }

  /** From now on matching requests are denied with 403, which is not tried again. */
  refuse(match: Plan['match']): void {
    this.#refused = match
  }

  /** Listings lack the keys that match, until `null`. */
  listWithout(keys: RegExp | null): void {
    this.#unlisted = keys
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #forward(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const seen = { method: incoming.method ?? '', path: incoming.url ?? '' }
    this.seen.push(seen)
    if (this.#refused(seen)) return void answer.writeHead(403, { 'content-type': 'application/xml' }).end(DENIED)
    const plan = this.#plans.find(({ match, left }) => left > 0 && match(seen))
    if (plan !== undefined) {
      plan.left--
      this.injected++
      if (plan.fault === 'slow-down') return void answer.writeHead(503, { 'content-type': 'application/xml' }).end(SLOW)
      if (typeof plan.fault === 'object') await pause(plan.fault.delayMs)
    }
    // The signature covers the host that the client named.
    const { hostname, port } = this.#target
    const outgoing = request({ hostname, port, method: seen.method, path: seen.path, headers: incoming.headers })
    outgoing.end(Buffer.concat(chunks))
    const [given] = (await once(outgoing, 'response')) as [IncomingMessage]
    const parts: Buffer[] = []
    for await (const part of given) parts.push(part as Buffer)
    if (plan?.fault === 'lose-answer') return void answer.destroy()
    const body = this.#listed(seen, Buffer.concat(parts))
    const headers = { ...given.headers }
    if (seen.method !== 'HEAD' && given.statusCode !== 304) headers['content-length'] = String(body.length)
    answer.writeHead(given.statusCode ?? 502, headers).end(body)
  }

  #listed({ path }: SeenRequest, body: Buffer): Buffer {
    const unlisted = this.#unlisted
    if (unlisted === null || !path.includes('list-type=2')) return body
    const kept = body
      .toString('utf8')
      .replace(/<Contents>.*?<\/Contents>|<CommonPrefixes>.*?<\/CommonPrefixes>/gs, (entry) =>
        unlisted.test(entry) ? '' : entry,
      )
    return Buffer.from(kept)
  }
}

const DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>injected</Message></Error>'
const SLOW = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>injected</Message></Error>'
