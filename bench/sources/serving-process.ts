/** Serves the same made-up RSVPs to every kind of source as fast as they are read, in a process of its own; writes its address to stdout. */
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { EVENTS } from './events.ts'

const CHUNK_BYTES = 64 * 1024
const PAGE = 500
const WAITING_BYTES_MAX = 1024 * 1024

const generator = new RsvpGenerator({ seed: 1, startMs: Date.now(), eventsPerSecond: 5_000, malformedShare: 0 })
const records = Array.from({ length: EVENTS }, () => generator.next())

async function writeAll(response: ServerResponse, texts: Iterable<string>): Promise<void> {
  let chunk = ''
  for (const text of texts) {
    chunk += text
    if (chunk.length < CHUNK_BYTES) continue
    if (!response.write(chunk)) await once(response, 'drain')
    chunk = ''
  }
  response.end(chunk)
}

async function sendAll(socket: WebSocket): Promise<void> {
  for (const record of records) {
    const sent = Promise.withResolvers<void>()
    socket.send(record, () => sent.resolve())
    if (socket.bufferedAmount > WAITING_BYTES_MAX) await sent.promise
  }
  socket.close()
}

function answerPage(response: ServerResponse, from: number): void {
  const page = records.slice(from, from + PAGE)
  const next = from + PAGE < records.length ? `,"next_token":"${from + PAGE}"` : ''
  const text = `{"meta":{"result_count":${page.length}${next}},"data":[${page.join(',')}]}`
  response.writeHead(200, { 'content-type': 'application/json' }).end(text)
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url!, 'http://bench')
  if (pathname === '/poll') return answerPage(response, Number(searchParams.get('next_token') ?? 0))
  const isEvents = pathname === '/events'
  response.writeHead(200, { 'content-type': isEvents ? 'text/event-stream' : 'application/x-ndjson' })
  const texts = records.map((record, id) => (isEvents ? `id: ${id}\ndata: ${record}\n\n` : `${record}\n`))
  void writeAll(response, texts)
})
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket) => void sendAll(socket))
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}\n`)
})
