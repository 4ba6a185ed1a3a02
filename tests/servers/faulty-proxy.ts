/** A real HTTP proxy on loopback that injects faults in front of a server: refusals, cut answers, items put off. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly body: string
}

export type RequestMatch = (request: SeenRequest) => boolean

interface Fault {
  readonly match: RequestMatch
  /** 'pass' lets one matching request through */
  readonly plan: ('pass' | 'cut' | number | { readonly body: string })[]
}

export class FaultyProxy {
  /** faults injected so far */
  injected = 0
  /** requests that came so far */
  requests = 0
  /** operations in each bulk request that came */
  readonly bulkSizes: number[] = []
  readonly #target: string
  readonly #server: Server
  #faults: Fault[] = []
  #rejected: readonly number[] = []

  /** @param target e.g. http://127.0.0.1:29200 */
  static async start(target: string): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(target: string) {
    this.#target = target
    this.#server = createServer((request, response) => {
      this.#forward(request, response).catch(() => response.destroy())
    })
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The next matching requests are answered with these statuses; 200 lets one through. */
  answer(match: RequestMatch, statuses: readonly number[]): void {
    this.#faults.push({ match, plan: statuses.map((status) => (status === 200 ? 'pass' : status)) })
  }

  /** The next matching request does not reach the server, and is answered with 200 and this. */
  answerOnce(match: RequestMatch, body: object): void {
    this.#faults.push({ match, plan: [{ body: JSON.stringify(body) }] })
  }

  /** The next matching requests reach the server; of its answers only one half comes back. */
  cutAnswers(match: RequestMatch, times: number): void {
    this.#faults.push({ match, plan: Array(times).fill('cut') })
  }

  /** In the answer to the next bulk request these operations are put off with 429; the server does not see them. */
  rejectItems(positions: readonly number[]): void {
    this.#rejected = positions
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks).toString('utf8')
    const seen = { method: request.method ?? '', path: request.url ?? '', body }
    const fault = this.#faults.find(({ match, plan }) => plan.length > 0 && match(seen))?.plan.shift()
    if (typeof fault === 'number') return this.#refuse(response, fault)
    if (typeof fault === 'object') {
      this.injected++
      return void response.end(fault.body)
    }
    const answer = seen.path.includes('/_bulk') ? await this.#bulk(request, body) : await this.#send(request, body)
    const headers: Record<string, string | number> = { 'content-length': Buffer.byteLength(answer.text) }
    for (const name of ['content-type', 'x-elastic-product']) headers[name] = answer.headers.get(name) ?? ''
    response.writeHead(answer.status, headers)
    if (fault !== 'cut') return void response.end(answer.text)
    this.injected++
    response.write(answer.text.slice(0, Math.floor(answer.text.length / 2)), () => response.destroy())
  }

  #refuse(response: ServerResponse, status: number): void {
    this.injected++
    response.writeHead(status, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
    response.end(JSON.stringify({ error: { type: 'injected', reason: `refused with ${status}` }, status }))
  }

  async #send(request: IncomingMessage, body: string): Promise<{ status: number; headers: Headers; text: string }> {
    const { 'content-type': type, accept, authorization } = request.headers
    const trino = Object.entries(request.headers).filter(([name]) => name.startsWith('x-trino-'))
    const headers = [...Object.entries({ 'content-type': type, accept, authorization }), ...trino].filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    )
    const answer = await fetch(`${this.#target}${request.url}`, {
      method: request.method,
      headers,
      ...(body === '' ? {} : { body }),
    })
    // Trino says where the next page is.
    const text = (await answer.text()).replaceAll(`"${this.#target}/v1/statement/`, `"${this.url}/v1/statement/`)
    return { status: answer.status, headers: answer.headers, text }
  }

  /** Only index operations, two lines each, are understood. */
  async #bulk(request: IncomingMessage, body: string): Promise<{ status: number; headers: Headers; text: string }> {
    const lines = body.split('\n').slice(0, -1)
    const count = lines.length / 2
    this.bulkSizes.push(count)
    const rejected = new Set(this.#rejected)
    this.#rejected = []
    if (rejected.size === 0) return this.#send(request, body)
    const kept = lines.filter((_, at) => !rejected.has(Math.floor(at / 2)))
    const answer = await this.#send(request, `${kept.join('\n')}\n`)
    const given = JSON.parse(answer.text) as { items: unknown[] }
    const later = { index: { status: 429, error: { type: 'es_rejected_execution_exception', reason: 'injected' } } }
    const items = Array.from({ length: count }, (_, at) => (rejected.has(at) ? later : given.items.shift()))
    return { ...answer, text: JSON.stringify({ errors: true, items }) }
  }
}
