/** The HTTP surface through inject: the real application, a small real dataset. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local-lake.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import type { EventVerdict, IntakePort } from './event-route.ts'
import { QUERY_PARAMETERS } from './parse-query.ts'
import { buildServeApp, type ServeAppParts } from './serve-app.ts'

const definition = defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
  },
  views: { by_kind: { dimensions: { kind: 'kind', id: 'id' }, time: ['minute'], measures: { n: count() } } },
})

const KEY = 'a-key-of-sixteen-or-more'
const events: PlatformEvent[] = []
let folder: string
let engine: DuckDbEngine
let store: SqliteSpeedStore
let parts: ServeAppParts
let app: FastifyInstance

/** Takes rows that contain "good". */
const intake: IntakePort = {
  offerBody: async (body) => {
    const rows = body.toString('utf8').split('\n').filter(Boolean)
    if (rows.includes('busy')) throw Object.assign(new Error('come again'), { name: 'IntakeBusyError' })
    if (rows.includes('crash')) throw new Error('secret /path')
    const verdicts = rows.map(
      (row, index): EventVerdict =>
        row.includes('good')
          ? { index, status: 'accepted', partition: 0, offset: index }
          : { index, status: 'rejected', reason: 'no good' },
    )
    const accepted = verdicts.filter(({ status }) => status === 'accepted').length
    return { verdicts, accepted, rejected: rows.length - accepted }
  },
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-http-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const dataset = await compileDataset(definition, await engine.connect())
  const lake = await LocalLake.open({ folder, dataset: 'shop' })
  store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'shop' })
  parts = {
    datasets: new Map([['shop', { dataset, lake, store, engine, partitions: 1 }]]),
    intakes: new Map([['shop', intake]]),
    metrics: new Metrics(),
    emit: (event) => events.push(event),
    limits: { requestBytesMax: 1_000 },
    parts: () => [{ name: 'stream role', ready: true, detail: 'running' }],
  }
  app = buildServeApp(parts)
})
afterAll(async () => {
  await app.close()
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true })
})

const post = (payload: string, url = '/v1/datasets/shop/events', type = 'application/x-ndjson') =>
  app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })

test('accepted events are 202 with the verdicts of the rejected ones, or of all', async () => {
  const some = await post('good\nbad\ngood')
  expect(some.statusCode).toBe(202)
  expect(some.json()).toEqual({ accepted: 2, rejected: 1, rows: [{ index: 1, status: 'rejected', reason: 'no good' }] })
  const all = await post('good', '/v1/datasets/shop/events?verdicts=all')
  expect(all.json().rows).toEqual([{ index: 0, status: 'accepted', partition: 0, offset: 0 }])
})

test.each([
  ['all rejected', 'bad', undefined, 400, 'all-rejected'],
  ['an empty body', '', undefined, 400, 'bad-request'],
  ['too large', 'good'.repeat(300), undefined, 413, 'too-large'],
  ['too much under way', 'busy', undefined, 429, 'busy'],
  ['an unknown type', 'good', 'application/xml', 415, 'unsupported-type'],
])('%s', async (_name, body, type, status, problem) => {
  const reply = await post(body, undefined, type)
  expect(reply.statusCode).toBe(status)
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(reply.json()).toMatchObject({ type: `urn:watershed:problem:${problem}`, status })
  expect(reply.headers['retry-after']).toBe(status === 429 ? '1' : undefined)
})

test('an unforeseen fault tells the log, not the asker', async () => {
  const reply = await post('crash')
  expect(reply.statusCode).toBe(500)
  expect(reply.body).not.toMatch(/secret|at .*\.ts/)
  expect(events.at(-1)).toMatchObject({ name: 'request-failed', message: expect.stringContaining('secret') })
})

test('an answer has rows and provenance; before there is anything it is empty, not an error', async () => {
  const reply = await app.inject('/v1/datasets/shop/views/by_kind')
  expect(reply.statusCode).toBe(200)
  expect(reply.json()).toMatchObject({ data: [], meta: { view: 'by_kind', generation: null, position: [0] } })
})

test.each([
  ['/v1/datasets/shopp', 404, /shop/],
  ['/v1/datasets/shop/views/by_knid', 404, /did you mean 'by_kind'/],
  ['/v1/datasets/shop/views/by_kind?measurs=n', 400, /did you mean 'measures'/],
  ['/v1/datasets/shop/views/by_kind?filter=id:eq:5.5', 400, /no whole number/],
  ['/v1/datasets/shop/views/by_kind?grain=minute&timezone=Mars/North', 400, /IANA/],
  ['/v1/datasets/shop/dead-letters?limit=0', 400, /limit/],
  ['/nothing', 404, /GET \/ lists/],
])('GET %s is %i', async (url, status, detail) => {
  const reply = await app.inject(url)
  expect(reply.statusCode).toBe(status)
  expect(reply.json().detail).toMatch(detail)
})

test('definitions, generations, dead letters, health and metrics answer', async () => {
  const [shop] = (await app.inject('/v1/datasets')).json().datasets
  expect(shop.views[0]).toMatchObject({ name: 'by_kind', grains: ['minute'], measures: [{ name: 'n', kind: 'count' }] })
  expect((await app.inject('/v1/datasets/shop/generations')).json()).toEqual({ current: null, generations: [] })
  expect((await app.inject('/v1/datasets/shop/dead-letters')).json()).toEqual({ data: [] })
  expect((await app.inject('/livez')).statusCode).toBe(200)
  expect((await app.inject('/readyz')).json().status).toBe('ready')
  expect((await app.inject('/metrics')).body).toContain('watershed_http_request_seconds')
})

test('a part that does not work makes it not ready, with the reason', async () => {
  const broken = buildServeApp({ ...parts, parts: () => [{ name: 'batch role', ready: false, detail: 'restarting' }] })
  const reply = await broken.inject('/readyz')
  expect(reply.statusCode).toBe(503)
  expect(reply.json().parts).toEqual([{ name: 'batch role', ready: false, detail: 'restarting' }])
  await broken.close()
})

test('with keys, only health is open', async () => {
  const locked = buildServeApp({ ...parts, keys: [KEY] })
  const get = (url: string, authorization?: string) =>
    locked.inject({ url, headers: authorization === undefined ? {} : { authorization } })
  expect((await get('/v1/datasets')).statusCode).toBe(401)
  expect((await get('/v1/datasets', `Bearer ${KEY}x`)).statusCode).toBe(401)
  expect((await get('/v1/datasets', `Bearer ${KEY}`)).statusCode).toBe(200)
  expect((await get('/livez')).statusCode).toBe(200)
  await locked.close()
})

test('docs/reference/http.md names every route and parameter', async () => {
  const text = readFileSync(fileURLToPath(new URL('../docs/reference/http.md', import.meta.url)), 'utf8')
  const inDocs = [...text.matchAll(/^\| `((?:GET|POST) \/[^`]*)` \|/gm)].map((match) => match[1]!)
  const index = (await app.inject('/')).json().routes as string[]
  expect(inDocs.filter((route) => route !== 'GET /').sort()).toEqual([...index].sort())
  const section = text.slice(text.indexOf('## Merged answers'), text.indexOf('### Values'))
  const parameters = [...section.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/\w+/g)].map(String),
  )
  expect(parameters.sort()).toEqual([...QUERY_PARAMETERS].sort())
})
