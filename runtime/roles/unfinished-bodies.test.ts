/** Bodies on their way in, through the real application and the real gate; only the log is missing. */
import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { MessageChannel } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { BodyRoom } from '#ingest/in-flight.ts'
import { DEFAULT_INGEST_LIMITS } from '#ingest/ingest-limits.ts'
import { buildServeApp, type ServeLimits } from '#serving/http/serve-app.ts'
import { silent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { until } from '#tests/until.ts'
import { IntakeLink, LinkedIntake } from './intake-link.ts'
import type { FromIntake, OfferRequest } from './intake-messages.ts'

const PATH = '/v1/datasets/visits/events'
const IN_FLIGHT_MAX = 1_000

let app: FastifyInstance
let channel: MessageChannel
let sockets: Socket[]
/** what the newest change of a room left it with */
let taken: number
beforeEach(async () => {
  sockets = []
  taken = 0
  await serve()
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await app.close()
  channel.port2.close()
})

async function serve(served: Partial<ServeLimits> = {}): Promise<void> {
  channel = new MessageChannel()
  const link = new IntakeLink(silent)
  link.connect(channel.port1)
  channel.port2.on('message', ({ id }: OfferRequest) => {
    const result = { verdicts: [], accepted: 1, rejected: 0, unusable: 0, warnings: [], appended: [], repeated: false }
    channel.port2.postMessage({ type: 'taken', id, result } satisfies FromIntake)
  })
  const limits = { ...DEFAULT_INGEST_LIMITS, inFlightBytesMax: IN_FLIGHT_MAX }
  const intake = new LinkedIntake('visits', link, limits, silent)
  const room = (): BodyRoom => {
    const { take, free } = intake.room()
    const watched = (bytes: number): void => {
      take(bytes)
      taken = bytes
    }
    return { take: watched, free }
  }
  const offerBody: LinkedIntake['offerBody'] = (...offer) => intake.offerBody(...offer)
  app = buildServeApp({
    datasets: null,
    intakes: new Map([['visits', { room, offerBody }]]),
    metrics: new Metrics(),
    emit: silent,
    limits: served,
    parts: async () => [],
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
}

/** Sends the first bytes of a body. */
function begin(bodyBytes: number, sentBytes: number): Socket {
  const { port } = app.server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port })
  sockets.push(socket)
  const head = `POST ${PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${bodyBytes}\r\n\r\n`
  socket.write(head + 'x'.repeat(sentBytes))
  return socket
}

const post = async (payload: string | Buffer, encoding = 'identity'): Promise<number> => {
  const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': encoding }
  return (await app.inject({ method: 'POST', url: PATH, payload, headers })).statusCode
}

/** The first bytes of a body have arrived. */
async function begun(bodyBytes: number, sentBytes: number): Promise<Socket> {
  const socket = begin(bodyBytes, sentBytes)
  await until(`${sentBytes} bytes have arrived`, () => taken === sentBytes)
  return socket
}

const isFree = (): Promise<boolean> =>
  until('nothing is in flight', async () => (await post('y'.repeat(IN_FLIGHT_MAX))) === 202)

test('an unfinished body counts with what has arrived, until it is finished or its connection breaks', async () => {
  const slow = await begun(900, 800)
  expect(await post('y'.repeat(201))).toBe(429)
  expect(await post('y'.repeat(200))).toBe(202)
  slow.write('x'.repeat(100))
  expect(String((await once(slow, 'data'))[0])).toMatch(/^HTTP\/1.1 202/)
  expect(await isFree()).toBe(true)

  const broken = await begun(900, 800)
  expect(await post('y'.repeat(201))).toBe(429)
  broken.destroy()
  expect(await isFree()).toBe(true)
})

test('a body that finds no more room is answered before it has arrived, and takes none then', async () => {
  await begun(900, 700)
  const second = begin(900, 400)
  expect(String((await once(second, 'data'))[0])).toMatch(/^HTTP\/1.1 429.*inFlightBytesMax is 1000/s)
  expect(await post('y'.repeat(300))).toBe(202)
})

test('a compressed body counts with what it becomes', async () => {
  await begun(900, 500)
  expect(await post(gzipSync('y'.repeat(501)), 'gzip')).toBe(429)
  expect(await post(gzipSync('y'.repeat(500)), 'gzip')).toBe(202)
})

test('a request that is refused before its handler runs leaves nothing behind', async () => {
  const headers = { 'content-type': 'application/x-ndjson' }
  for (const [url, status] of [
    [`${PATH}?verdict=all`, 400],
    ['/v1/datasets/vistis/events', 404],
  ] as const)
    expect((await app.inject({ method: 'POST', url, payload: 'y'.repeat(900), headers })).statusCode).toBe(status)
  expect(await isFree()).toBe(true)
})

test('a body that does not arrive in time is answered 408, and takes no room any more', async () => {
  channel.port2.close()
  await app.close()
  await serve({ requestMsMax: 200 })
  const slow = await begun(900, 800)
  const answer = String((await once(slow, 'data'))[0])
  expect(answer).toMatch(/^HTTP\/1.1 408/)
  expect(answer).toContain('urn:watershed:problem:request-timeout')
  expect(await isFree()).toBe(true)
})
