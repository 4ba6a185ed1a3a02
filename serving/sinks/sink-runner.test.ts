/** Deliveries to a receiver that misbehaves: each arrives, in order and word by word the same, and what it leads to is the answer. */
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type AnswerChange, applyChange } from '#core/answer-changes.ts'
import { count, defineDataset } from '#core/definition.ts'
import { webhookSignature } from '#serving/http/intake/webhook-signature.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'
import { silent } from '#telemetry/emit.ts'
import { type OwnPlatform, openOwn } from '#tests/generated-definitions/own-platform.ts'
import { until } from '#tests/until.ts'
import { SinkRunner } from './sink-runner.ts'
import { SinkStateText } from './sink-state.ts'
import { WebhookTarget } from './webhook-target.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: { by_page: { dimensions: { page: 'page' }, time: ['minute'], measures: { visits: count() } } },
})
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

interface Received {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type Row = Readonly<Record<string, unknown>>
type Behaviour = (response: ServerResponse) => void
const takes: Behaviour = (response) => response.writeHead(204).end()

let platform: OwnPlatform
let server: Server
let url: URL
let received: Received[]
/** of the next requests; then it takes everything */
let behaviours: Behaviour[]
let runner: SinkRunner
let appended = 0

beforeEach(async () => {
  platform = await openOwn({ definition, segmentRecordsMax: 20 })
  received = []
  behaviours = []
  server = createServer(async (request, response) => {
    received.push({ headers: request.headers, body: await buffer(request) })
    const behave = behaviours.shift() ?? takes
    behave(response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`)
  runner = run()
})
afterEach(async () => {
  await runner.stop()
  server.closeAllConnections()
  server.close()
  await platform.close()
})

function run(): SinkRunner {
  const live = platform.live!
  const made = new SinkRunner({
    ...{ dataset: 'visits', definition: { name: 'hook', kind: 'webhook', view: 'by_page' }, live },
    asked: live.asked({ dataset: 'visits', view: 'by_page' }),
    target: new WebhookTarget({ url, headers: { 'x-own': 'yes' }, secret: SECRET, answerMsMax: 300 }),
    file: new SinkStateText(new FolderTexts(platform.ground), 'hook'),
    everyMs: 1,
    emit: silent,
    tryLock: async () => ({ release: async () => {} }),
    limits: { waitMsFirst: 1, waitMsMax: 5 },
  })
  made.start()
  return made
}

async function append(...pages: readonly string[]): Promise<void> {
  await platform.intake.offer(pages.map((page) => JSON.stringify({ id: ++appended, at: Date.now(), page })))
}

async function answer(): Promise<readonly Row[]> {
  const { body } = await platform.app.inject('/v1/datasets/visits/views/by_page')
  return (JSON.parse(body) as { data: Row[] }).data
}

/** As a receiver that keeps the last id sees them. */
function applied(): { readonly rows: readonly Row[]; readonly ids: readonly string[] } {
  let rows: readonly Row[] = []
  const ids: string[] = []
  const bodies = new Map<string, string>()
  for (const { headers, body } of received) {
    const { id, after, data, ...change } = JSON.parse(String(body)) as AnswerChange<Row> & {
      readonly id: string
      readonly after: string | null
      readonly data?: readonly Row[]
    }
    expect(headers['idempotency-key']).toBe(`"${id}"`)
    expect(bodies.get(id) ?? String(body)).toBe(String(body))
    bodies.set(id, String(body))
    if (ids.at(-1) === id) continue
    expect(after).toBe(ids.at(-1) ?? null)
    ids.push(id)
    rows = data ?? applyChange(rows, change)
  }
  return { rows, ids }
}

async function delivered(visits: number): Promise<void> {
  const isThere = (): boolean => applied().rows.reduce((sum, row) => sum + Number(row.visits), 0) === visits
  await until(`${visits} visits are delivered`, () => isThere() && runner.status().waitingMs === null)
}

test('first the answer, then what changed, signed and under the id of the answer', async () => {
  await append('/', '/', '/a')
  await delivered(3)
  await append('/a', '/b')
  await delivered(5)
  expect(applied().rows).toEqual(await answer())
  for (const { headers, body } of received) {
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-own': 'yes' })
    webhookSignature(headers, [SECRET], Date.now()).assertSigned(body)
  }
  const { ids } = applied()
  expect(runner.status()).toMatchObject({
    state: 'running',
    deliveries: ids.length,
    delivered: ids.at(-1),
    reason: null,
  })
})

test('whatever the receiver does, each delivery arrives in order and word by word the same', async () => {
  let elsewhere = 0
  const other = createServer((_request, response) => {
    elsewhere++
    response.end()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/`
  behaviours = [
    (response) => response.writeHead(500).end('broken'),
    (response) => response.writeHead(302, { location }).end(),
    (response) => response.writeHead(429, { 'retry-after': '0' }).end(),
    (response) => response.destroy(),
    () => {},
    (response) => response.writeHead(404).end(),
  ]
  await append('/', '/a')
  await delivered(2)
  expect([behaviours.length, elsewhere]).toEqual([0, 0])
  await append('/')
  await delivered(3)
  expect(applied().rows).toEqual(await answer())
  other.close()
})

test('a delivery that fails is reported, and what changes meanwhile is one delivery', async () => {
  await append('/')
  await delivered(1)
  behaviours = Array.from({ length: 1_000 }, () => (response: ServerResponse) => response.writeHead(503).end('later'))
  await append('/')
  await until('it fails', () => runner.status().state === 'failing')
  expect(runner.status().reason).toMatch(/^127\.0\.0\.1:\d+ answered with status 503: later$/)
  expect(runner.status().waitingMs).toBeGreaterThanOrEqual(0)
  for (const page of ['/x', '/y', '/x']) await append(page)
  const before = applied().ids.length
  behaviours = []
  await delivered(5)
  expect(applied().ids.length - before).toBeLessThanOrEqual(3)
  expect(runner.status()).toMatchObject({ state: 'running', reason: null, waitingMs: null })
})

test('stopped in the middle of a delivery, it makes the same one again', async () => {
  await append('/')
  await delivered(1)
  behaviours = [() => {}]
  await append('/', '/b')
  const { body } = await until(
    'the delivery arrived',
    () => received.find((_, index) => behaviours.length === 0 && index === received.length - 1) ?? null,
  )
  await runner.stop()
  await append('/c')
  const seen = received.length
  runner = run()
  await delivered(4)
  expect(String(received[seen]!.body)).toBe(String(body))
  expect(applied().rows).toEqual(await answer())
})

test('a clock that was set back does not hold up what is due, and rows by other dimensions begin anew', async () => {
  await append('/')
  await delivered(1)
  await runner.stop()
  const file = join(platform.ground, 'hook.state')
  const state = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  writeFileSync(file, JSON.stringify({ ...state, lastDeliveryMs: Date.now() + 86_400_000 }))
  await append('/')
  runner = run()
  await delivered(2)
  await runner.stop()
  const query = String(state.query).replace('["page"]', '["site"]')
  writeFileSync(file, JSON.stringify({ ...state, query }))
  const seen = received.length
  runner = run()
  const next = await until('it delivers again', () => received[seen] ?? null)
  expect(JSON.parse(String(next.body))).toMatchObject({
    event: 'answer',
    after: null,
    data: [{ page: '/', visits: 2 }],
  })
})
