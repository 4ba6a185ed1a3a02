/** What never becomes a request, and connections, over real sockets. */
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { until } from '#tests/until.ts'
import { buildServeApp, type ServeLimits } from './serve-app.ts'

let app: FastifyInstance
const events: PlatformEvent[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await app.close()
  events.length = 0
})

async function serve(limits: Partial<ServeLimits> = {}): Promise<void> {
  app = buildServeApp({
    datasets: null,
    intakes: null,
    metrics: new Metrics(),
    emit: (event) => void events.push(event),
    limits,
    parts: async () => [],
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
}

function open(): Socket {
  const socket = connect({ host: '127.0.0.1', port: (app.server.address() as AddressInfo).port })
  socket.on('error', () => {})
  sockets.push(socket)
  return socket
}

/** Everything that the server sends before it closes the connection. */
async function said(text: string): Promise<string> {
  const socket = open()
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.write(text)
  await once(socket, 'close')
  return String(Buffer.concat(parts))
}

const HOST = 'host: localhost\r\n'

test.each([
  ['no HTTP', 'NONSENSE\r\n\r\n', 400, 'bad-request', /not valid HTTP/],
  [
    'a length beside chunks',
    `POST / HTTP/1.1\r\n${HOST}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'bad-request',
    /not valid HTTP/,
  ],
  [
    'long headers',
    `GET / HTTP/1.1\r\n${HOST}x: ${'a'.repeat(2_000)}\r\n\r\n`,
    431,
    'headers-too-large',
    /headerBytesMax/,
  ],
  ['no host', 'GET /livez HTTP/1.1\r\nconnection: close\r\n\r\n', 400, 'bad-request', /no Host header/],
  [
    'an expectation',
    `GET /livez HTTP/1.1\r\n${HOST}expect: tea\r\n\r\n`,
    417,
    'expectation-failed',
    /'tea' is not supported/,
  ],
  ['headers without end', `GET /livez HTTP/1.1\r\n${HOST}`, 408, 'request-timeout', /requestMsMax/],
  ['a body without end', `GET /livez HTTP/1.1\r\n${HOST}content-length: 9\r\n\r\nhalf`, 200, null, /alive/],
  ['nothing at all', '', 408, 'request-timeout', /requestMsMax/],
] as const)(
  'a client that sends %s is answered, and its connection closed',
  async (_what, text, status, type, detail) => {
    await serve({ requestMsMax: 100, headerBytesMax: 2_000 })
    const answer = await said(text)
    const [head, body] = answer.split('\r\n\r\n') as [string, string]
    expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    expect(head).toMatch(/^x-content-type-options: nosniff\r?$/im)
    expect(body).toMatch(detail)
    if (type === null) return
    expect(head).toMatch(/^content-type: application\/problem\+json/im)
    expect(JSON.parse(body)).toMatchObject({ type: `urn:watershed:problem:${type}`, status })
  },
)

test('beyond connectionsMax a new connection is closed, until another one ends', async () => {
  await serve({ connectionsMax: 2 })
  const ask = `GET /livez HTTP/1.1\r\n${HOST}\r\n`
  const kept = [open(), open()]
  for (const socket of kept) {
    socket.write(ask)
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200/)
  }
  expect(await said(ask)).toBe('')
  expect(await said(ask)).toBe('')
  expect(events.map(({ name, message }) => [name, message])).toEqual([
    ['connections-refused', 'connections are refused: connectionsMax = 2 are open'],
  ])
  kept[0]!.destroy()
  const closing = `GET /livez HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`
  await until('a connection is free', async () => /^HTTP\/1.1 200/.test(await said(closing)))
})
