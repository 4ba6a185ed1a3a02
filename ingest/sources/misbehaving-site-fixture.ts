/** A local server with a list of records, which each kind of source reads, and whose connections misbehave as a test wants, one after the other. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type WebSocket, WebSocketServer } from 'ws'

export type Misbehaviour =
  /** ends in the middle of a record */
  | 'cut'
  /** sends a record that is no JSON first */
  | 'garbage'
  /** sends a record over the limit first */
  | 'huge'
  /** says nothing more after some records */
  | 'silence'
  /** 429 with Retry-After */
  | 'busy'
  /** sends a record's bytes one by one */
  | 'slow'
  /** begins at the first record, whatever was asked for */
  | 'again'
  | { readonly redirect: string }

export const HUGE = `{"id":1,"note":"${'x'.repeat(5_000)}"}`
export const GARBAGE = 'not { json'
/** records that a misbehaving connection sends before it does */
const BEFORE = 5
const PAGE = 7

/** What a connection of any kind can do. */
interface Line {
  send(record: string, id: number): void
  /** the beginning of a record, and the end of the connection */
  cut(record: string): void
  trickle(record: string, id: number): Promise<void>
  /** answers nothing any more, not even a ping */
  freeze(): void
}

export class MisbehavingSite {
  readonly misbehaviours: Misbehaviour[] = []
  /** where each connection asked to begin */
  readonly asked: (string | null)[] = []
  readonly headers: IncomingMessage['headers'][] = []
  readonly #records: readonly string[]
  readonly #server: Server
  readonly #sockets = new WebSocketServer({ noServer: true })

  /** @param records record i has the id i + 1 */
  constructor(records: readonly string[]) {
    this.#records = records
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.on('upgrade', (request, socket, head) => {
      const misbehaviour = this.#misbehaviour(request, 'cursor')
      if (misbehaviour === 'busy')
        return void socket.end('HTTP/1.1 429 Too Many\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n')
      if (typeof misbehaviour === 'object')
        return void socket.end(`HTTP/1.1 302 Found\r\nlocation: ${misbehaviour.redirect}\r\ncontent-length: 0\r\n\r\n`)
      this.#sockets.handleUpgrade(request, socket, head, (peer) => void this.#play(socketLine(peer), misbehaviour))
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    for (const peer of this.#sockets.clients) peer.terminate()
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #misbehaviour(request: IncomingMessage, parameter: string): Misbehaviour | undefined {
    this.headers.push(request.headers)
    const id = request.headers['last-event-id']
    this.asked.push((id as string | undefined) ?? new URL(request.url!, 'http://site').searchParams.get(parameter))
    return this.misbehaviours.shift()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url!, 'http://site')
    const misbehaviour = this.#misbehaviour(request, 'cursor')
    if (misbehaviour === 'busy') return void response.writeHead(429, { 'retry-after': '0' }).end('slow down')
    if (typeof misbehaviour === 'object') return void response.writeHead(302, { location: misbehaviour.redirect }).end()
    if (pathname === '/poll') return this.#answerPoll(request, response, misbehaviour)
    const isEvents = pathname === '/events'
    response.writeHead(200, { 'content-type': isEvents ? 'text/event-stream' : 'application/x-ndjson' })
    response.flushHeaders()
    await this.#play(textLine(response, isEvents ? eventText : lineText), misbehaviour, isEvents)
  }

  /** @param isBehind whether the other side asks for what comes behind an id, instead of from it on */
  async #play(line: Line, misbehaviour: Misbehaviour | undefined, isBehind = false): Promise<void> {
    const asked = this.asked.at(-1)
    const from = asked === null || misbehaviour === 'again' ? 0 : Math.max(0, Number(asked) - (isBehind ? 0 : 1))
    if (misbehaviour === 'garbage') line.send(GARBAGE, 0)
    if (misbehaviour === 'huge') line.send(HUGE, 0)
    const end = misbehaviour === 'cut' || misbehaviour === 'silence' ? from + BEFORE : this.#records.length
    for (let index = from; index < Math.min(end, this.#records.length); index++) {
      if (misbehaviour === 'slow') await line.trickle(this.#records[index]!, index + 1)
      else line.send(this.#records[index]!, index + 1)
      await turn()
    }
    if (misbehaviour === 'silence') line.freeze()
    if (misbehaviour === 'cut') line.cut(this.#records[end] ?? GARBAGE)
  }

  /** Newest first, page after page, in the shape of recent search. */
  #answerPoll(request: IncomingMessage, response: ServerResponse, misbehaviour: Misbehaviour | undefined): void {
    if (misbehaviour === 'silence') return
    const { searchParams } = new URL(request.url!, 'http://site')
    const since = misbehaviour === 'again' ? 0 : Number(searchParams.get('cursor') ?? 0)
    const newest = this.#records.slice(since).toReversed()
    const begin = Number(searchParams.get('next_token') ?? 0)
    const page = newest.slice(begin, begin + PAGE)
    const more = begin + PAGE < newest.length ? { next_token: String(begin + PAGE) } : {}
    const meta = JSON.stringify({ ...(newest.length > 0 ? { newest_id: this.#records.length } : {}), ...more })
    const listed = misbehaviour === 'huge' ? [HUGE, ...page] : page
    const text = misbehaviour === 'garbage' ? GARBAGE : `{"meta":${meta},"data":[${listed.join(',')}]}`
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    if (misbehaviour === 'cut') response.write(text.slice(0, -10), () => response.destroy())
    else response.end(text)
  }
}

const lineText = (record: string): string => `${record}\n`
/** In two lines of data, as an event may have. */
const eventText = (record: string, id: number): string =>
  id === 0 ? `data: ${record}\n\n` : `: note\nid: ${id}\ndata: ${record}\r\n\r\n`

function textLine(response: ServerResponse, textOf: (record: string, id: number) => string): Line {
  return {
    send: (record, id) => response.write(textOf(record, id)),
    cut: (record) => response.write(textOf(record, 0).slice(0, 15), () => response.destroy()),
    trickle: async (record, id) => {
      for (const byte of textOf(record, id)) {
        response.write(byte)
        await turn()
      }
    },
    freeze: () => {},
  }
}

function socketLine(peer: WebSocket): Line {
  return {
    send: (record) => peer.send(record),
    cut: (record) => {
      peer.send(record.slice(0, 10), { fin: false }, () => peer.terminate())
    },
    trickle: async (record) => {
      for (const [index, byte] of [...record].entries()) {
        peer.send(byte, { fin: index === record.length - 1 })
        await turn()
      }
    },
    freeze: () => peer.pause(),
  }
}
