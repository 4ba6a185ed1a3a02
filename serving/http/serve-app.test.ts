/** The HTTP surface through inject: the real application, a small real dataset. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { QUERY_PARAMETERS } from '#serving/http/queries/parse-query.ts'
import type { AnsweredDataset } from '#serving/live/live-answers.ts'
import { buildServeApp } from './serve-app.ts'
import { type ServedShop, serveShop } from './serve-app-fixture.ts'

const KEY = 'a-key-of-sixteen-or-more'
let shop: ServedShop
let app: FastifyInstance

beforeAll(async () => {
  shop = await serveShop()
  app = shop.app
})
afterAll(() => shop.close())

const post = (payload: string, url = '/v1/datasets/shop/events', type = 'application/x-ndjson') =>
  app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } })

const postPacked = (payload: Buffer, encoding: string) => {
  const headers = { 'content-type': 'application/x-ndjson', 'content-encoding': encoding }
  return app.inject({ method: 'POST', url: '/v1/datasets/shop/events', payload, headers })
}

test('accepted events answer 202 with the verdicts of the rejected ones, or of all', async () => {
  const some = await post('good\nbad\ngood')
  expect(some.statusCode).toBe(202)
  expect(some.json()).toEqual({
    accepted: 2,
    rejected: 1,
    rows: [{ index: 1, status: 'rejected', reason: 'no good' }],
    position: '0:7',
  })
  const all = await post('good', '/v1/datasets/shop/events?verdicts=all')
  expect(all.json().rows).toEqual([{ index: 0, status: 'accepted', partition: 0, offset: 0 }])
})

test.each([
  ['all rejected', 'bad', undefined, 400, 'all-rejected'],
  ['an empty body', '', undefined, 400, 'bad-request'],
  ['too large', 'good'.repeat(300), undefined, 413, 'too-large'],
  ['too much in flight', 'busy', undefined, 429, 'busy'],
  ['an unknown type', 'good', 'application/xml', 415, 'unsupported-type'],
])('%s', async (_name, body, type, status, problem) => {
  const reply = await post(body, undefined, type)
  expect(reply.statusCode).toBe(status)
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(reply.json()).toMatchObject({ type: `urn:watershed:problem:${problem}`, status })
  expect(reply.headers['retry-after']).toBe(status === 429 ? '1' : undefined)
  if (status === 413) expect(reply.json().detail).toContain('requestBytesMax')
})

test('a body may be gzip, also with several members', async () => {
  const members = Buffer.concat([gzipSync('good\nbad\n'), gzipSync('good')])
  const reply = await postPacked(members, 'gzip')
  expect(reply.statusCode).toBe(202)
  expect(reply.json()).toMatchObject({ accepted: 2, rejected: 1, rows: [{ index: 1 }] })
  expect((await postPacked(Buffer.from('good'), 'identity')).json().accepted).toBe(1)
})

test.each([
  [
    'decompresses to more than the limit',
    gzipSync('good'.repeat(300)),
    'gzip',
    413,
    /exceeds the limit requestBytesMax = 1000 bytes/,
  ],
  ['is truncated', gzipSync('good').subarray(0, -4), 'gzip', 400, /not complete gzip.*unexpected end/],
  ['is not gzip', Buffer.from('good'), 'gzip', 400, /not complete gzip/],
  ['has trailing data', Buffer.concat([gzipSync('good'), Buffer.from('more')]), 'gzip', 400, /not complete gzip/],
  ['has trailing zeros', Buffer.concat([gzipSync('good'), Buffer.from('\0more')]), 'gzip', 400, /5 bytes after/],
  ['is empty', gzipSync(''), 'gzip', 400, /the body is empty/],
  ['has another encoding', Buffer.from('good'), 'br', 415, /'br' is not supported; send gzip/],
])('a compressed body that %s is refused', async (_name, body, encoding, status, detail) => {
  const reply = await postPacked(body, encoding)
  expect(reply.statusCode).toBe(status)
  expect(reply.json().detail).toMatch(detail)
})

test.each([
  ['text/csv; charset=latin1', '', 415, /charset 'latin1' is not supported; send UTF-8/],
  ['text/csv', '?delimiter=%22', 400, /delimiter must be one ASCII character/],
  ['text/csv', '?delimiter=ab', 400, /delimiter must be one ASCII character/],
  ['application/json', '?columns=a', 400, /columns is a parameter of CSV bodies/],
  ['application/cloudevents+avro', '', 415, /text\/csv/],
])('a body of type %s%s is refused before it is read', async (type, query, status, detail) => {
  const reply = await post('good', `/v1/datasets/shop/events${query}`, type)
  expect(reply.statusCode).toBe(status)
  expect(reply.json().detail).toMatch(detail)
})

test('attributes of a CloudEvent in headers allow any type of data, and none', async () => {
  const attributes = { 'ce-specversion': '1.0', 'ce-id': 'a%20b', 'ce-source': '/x', 'ce-type': 't' }
  const send = (headers: Record<string, string>, payload?: string) =>
    app.inject({ method: 'POST', url: '/v1/datasets/shop/events', headers: { ...attributes, ...headers }, payload })
  expect((await send({ 'content-type': 'image/png' }, 'good')).statusCode).toBe(202)
  expect((await send({}, 'good')).statusCode).toBe(202)
  expect((await send({ 'ce-id': '%ff' }, 'good')).json()).toMatchObject({ status: 400, field: 'ce-id' })
})

test('a wrong method answers 405 with the methods that the path supports', async () => {
  for (const [method, url, allow] of [
    ['PUT', '/v1/datasets/shop/events', 'GET, HEAD, POST'],
    ['DELETE', '/v1/datasets/shop/views/by_kind?x=1', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
    ['DELETE', '/v1/datasets/', 'GET, HEAD'],
    ['QUERY', '/v1/datasets/shop', 'GET, HEAD'],
  ] as const) {
    const reply = await app.inject({ method, url })
    expect(reply.statusCode).toBe(405)
    expect(reply.headers.allow).toBe(allow)
    expect(reply.json()).toMatchObject({ type: 'urn:watershed:problem:wrong-method', allowed: allow.split(', ') })
  }
  expect((await app.inject({ method: 'DELETE', url: '/v1/dataset' })).statusCode).toBe(404)
})

test.each([
  ['/v1/datasets/%', /the path is not a valid URL/],
  ['/v1/datasets/%zz/events', /the path is not a valid URL/],
  [`/v1/datasets/${'x'.repeat(129)}`, /longer than 128 characters/],
])('the malformed path %s answers a problem', async (url, detail) => {
  const reply = await app.inject(url)
  expect(reply.statusCode).toBe(400)
  expect(reply.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' })
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(reply.json()).toMatchObject({
    type: 'urn:watershed:problem:bad-request',
    detail: expect.stringMatching(detail),
  })
})

test.each(['0', '1001', '1.5', 'ten', '', '0x10', '1e2', '+5', ' 5'])(
  'dead letters: the limit %j is refused with its bounds',
  async (limit) => {
    const reply = await app.inject(`/v1/datasets/shop/dead-letters?limit=${encodeURIComponent(limit)}`)
    expect(reply.statusCode).toBe(400)
    expect(reply.json()).toMatchObject({ field: 'limit', detail: 'limit: must be an integer from 1 to 1000' })
  },
)

test('a request with an unknown parameter or dataset accepts no events', async () => {
  const misspelt = await post('good', '/v1/datasets/shop/events?verdict=all')
  expect(misspelt.statusCode).toBe(400)
  expect(misspelt.json()).toMatchObject({
    field: 'verdict',
    detail: expect.stringContaining("did you mean 'verdicts'"),
  })
  const elsewhere = await post('good', '/v1/datasets/shoop/events')
  expect(elsewhere.statusCode).toBe(404)
  expect(elsewhere.json().allowed).toEqual(['shop'])
})

test('control characters of a request are shown as escapes', async () => {
  const reply = await app.inject({ url: '/v1/datasets', headers: { host: 'evil\u009b31m' } })
  expect(reply.statusCode).toBe(403)
  expect(reply.json().detail).toContain("'evil\\u009b31m'")
})

test('an unexpected fault is logged, but not revealed to the client', async () => {
  const reply = await post('crash')
  expect(reply.statusCode).toBe(500)
  expect(reply.body).not.toMatch(/secret|at .*\.ts/)
  expect(shop.events.at(-1)).toMatchObject({ name: 'request-failed', message: expect.stringContaining('secret') })
})

test('an answer has rows and provenance; before the first event it is empty, not an error', async () => {
  const reply = await app.inject('/v1/datasets/shop/views/by_kind')
  expect(reply.statusCode).toBe(200)
  expect(reply.json()).toMatchObject({ data: [], meta: { view: 'by_kind', generation: null, position: [0] } })
})

test('a query for a position that is not reached is 504, and says how far answers count', async () => {
  const view = '/v1/datasets/shop/views/by_kind'
  expect((await app.inject(`${view}?atLeast=0:0`)).statusCode).toBe(200)
  const reply = await app.inject(`${view}?atLeast=0:5`)
  expect(reply.statusCode).toBe(504)
  expect(reply.json()).toMatchObject({
    type: 'urn:watershed:problem:position-not-reached',
    retryable: true,
    position: [0],
    detail: expect.stringContaining('up to 0:0, but not yet up to 0:5'),
  })
  expect(shop.events.at(-1)).toMatchObject({ name: 'request-failed', level: 'info' })
})

test.each([
  ['/v1/datasets/shopp', 404, /'shopp' is unknown \(did you mean 'shop'\?\); known names: shop/],
  ['/v1/datasets/zoo/views/by_kind', 404, /known names: shop/],
  ['/v1/datasets/zoo/generations', 404, /known names: shop/],
  ['/v1/datasets/shop/views/by_knid', 404, /did you mean 'by_kind'\?\); known names: by_kind/],
  ['/v1/datasets/shop/views/by_kind?view=x', 400, /^view: unknown parameter/],
  ['/v1/datasets/shop/views/by_kind?limit=1&limit=2', 400, /^limit: is given more than once/],
  ['/v1/datasets/shop/views/by_kind?atLeast=5', 400, /^atLeast: '5' is not a position/],
  ['/v1/datasets/shop/views/by_kind?atLeast=', 400, /^atLeast: '' is not a position/],
  ['/v1/datasets/shop/views/by_kind?atLeast=1:5', 504, /up to 1:0, but not yet up to 1:5/],
  ['/v1/datasets/shop/views/by_kind?atLeast=0:5&atLeast=0:6', 400, /^atLeast: is given more than once/],
  ['/v1/datasets/shop/generations?limit=1', 400, /^limit: unknown parameter; this route has no parameters/],
  ['/v1/datasets/shop/dead-letters?limit=1001', 400, /^limit: .*1000/],
  ['/v1/datasets/shop/views/by_kind?measurs=n', 400, /did you mean 'measures'/],
  ['/v1/datasets/shop/views/by_kind?filter=id:eq:5.5', 400, /not an integer/],
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
  expect((await app.inject('/v1/datasets/shop/generations')).json()).toEqual({
    current: null,
    run: null,
    generations: [],
  })
  expect((await app.inject('/v1/datasets/shop/dead-letters')).json()).toEqual({ data: [], next: null })
  expect((await app.inject('/livez')).statusCode).toBe(200)
  expect((await app.inject('/readyz')).json().status).toBe('ready')
  expect((await app.inject('/metrics')).body).toContain('watershed_http_request_seconds')
})

test('a component that is not ready makes /readyz answer 503 with the reason', async () => {
  const broken = buildServeApp({
    ...shop.parts,
    parts: async () => [{ name: 'batch role', ready: false, state: 'restarting', detail: '3 restarts' }],
  })
  const reply = await broken.inject('/readyz')
  expect(reply.statusCode).toBe(503)
  expect(reply.json().parts).toEqual([{ name: 'batch role', ready: false, state: 'restarting', detail: '3 restarts' }])
  await broken.close()
})

test('with keys, only the health checks need no key', async () => {
  const locked = buildServeApp({ ...shop.parts, keys: [KEY] })
  const get = (url: string, authorization?: string) =>
    locked.inject({ url, headers: authorization === undefined ? {} : { authorization } })
  for (const [given, challenge] of [
    [undefined, 'Bearer realm="watershed"'],
    [`Bearer ${KEY}x`, 'Bearer realm="watershed", error="invalid_token"'],
  ]) {
    const { statusCode, headers } = await get('/v1/datasets', given)
    expect([statusCode, headers['www-authenticate']]).toEqual([401, challenge])
  }
  expect((await get('/v1/datasets', `Bearer ${KEY}`)).statusCode).toBe(200)
  expect((await get('/v1/datasets', `bearer ${KEY}`)).statusCode).toBe(200)
  expect((await get('/livez')).statusCode).toBe(200)
  await locked.close()
})

const FOREIGN: Record<string, string>[] = [
  { host: 'attacker.example' },
  { host: 'localhost.attacker.example:8787' },
  { host: '192.168.1.5:8787' },
  { host: '127.0.0.1:8787', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
  { host: 'localhost', origin: 'https://attacker.example' },
  { host: 'localhost', origin: 'null' },
  { host: 'localhost', origin: 'chrome-extension://abcdefghijklmnop' },
  { host: 'localhost', origin: 'moz-extension://b5b1a5a4-0d8e-4a2e-9e58-0c2f5a3a1b11' },
  { host: 'localhost', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'cors' },
  { host: 'localhost', origin: 'file://' },
  { host: 'localhost', origin: 'http://localhost.attacker.example' },
  { host: 'localhost', origin: '' },
]
const OWN: Record<string, string>[] = [
  { host: '127.0.0.1:8787' },
  { host: '[::1]:8787' },
  { host: 'LOCALHOST' },
  { host: 'shop.localhost:1' },
  { host: 'localhost', origin: 'http://localhost:3000', 'sec-fetch-site': 'same-site' },
]
const TYPED = { host: 'localhost', 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }
const FOLLOWED = { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }

test.each([...FOREIGN.map((headers) => [headers, 403] as const), ...OWN.map((headers) => [headers, 202] as const)])(
  'without keys, a request with %j is %i',
  async (headers, status) => {
    const asked = { method: 'POST', url: '/v1/datasets/shop/events', payload: 'good' } as const
    const reply = await app.inject({ ...asked, headers: { 'content-type': 'text/plain', ...headers } })
    expect(reply.statusCode).toBe(status)
    if (status === 403) expect(reply.json().type).toBe('urn:watershed:problem:forbidden')
    expect((await app.inject({ url: '/v1/datasets', headers })).statusCode).toBe(status === 403 ? 403 : 200)
    expect((await app.inject({ url: '/livez', headers })).statusCode).toBe(200)
    const keyed = buildServeApp({ ...shop.parts, keys: [KEY] })
    const withKey = { authorization: `Bearer ${KEY}`, ...headers }
    expect((await keyed.inject({ url: '/v1/datasets', headers: withKey })).statusCode).toBe(200)
    await keyed.close()
  },
)

test('without keys, a followed link from another site is answered, and a form post is refused', async () => {
  expect((await app.inject({ url: '/v1/datasets', headers: FOLLOWED })).statusCode).toBe(200)
  expect((await app.inject({ url: '/v1/datasets', headers: TYPED })).statusCode).toBe(200)
  const form = { method: 'POST', url: '/v1/datasets/shop/events', payload: 'good' } as const
  const headers = { 'content-type': 'text/plain', ...FOLLOWED }
  expect((await app.inject({ ...form, headers })).statusCode).toBe(403)
})

test('a request under a key says whether it is a repeat; a key of other events, or an invalid one, is refused', async () => {
  const keyed = (key: string) =>
    app.inject({
      method: 'POST',
      url: '/v1/datasets/shop/events',
      payload: 'good',
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': key },
    })
  expect((await keyed('"new"')).json()).toEqual({
    accepted: 1,
    rejected: 0,
    rows: [],
    position: '0:6',
    repeated: false,
  })
  for (const key of ['"seen"', 'seen']) {
    const again = await keyed(key)
    expect([again.statusCode, again.json().repeated]).toEqual([202, true])
  }
  const other = await keyed('"other"')
  const reused = { type: 'urn:watershed:problem:key-reused', status: 422, field: 'Idempotency-Key', retryable: false }
  expect(other.json()).toMatchObject(reused)
  for (const key of ['', '""', '"ä"', `"${'k'.repeat(256)}"`]) {
    const refused = await keyed(key)
    expect(refused.json()).toMatchObject({ status: 400, field: 'Idempotency-Key' })
    expect(refused.json().detail).toMatch(/1 to 255 printable ASCII characters in double quotes/)
  }
})

test('without its speed store an answer says what is missing, without paths, and require=live refuses it', async () => {
  const [[name, served]] = [...shop.parts.datasets!] as [[string, AnsweredDataset]]
  const read = () => Promise.reject(new Error('/var/lib/shop/speed.sqlite: locked'))
  const store = Object.assign(Object.create(served.store), { read })
  const without = buildServeApp({ ...shop.parts, datasets: new Map([[name, { ...served, store }]]) })
  const url = '/v1/datasets/shop/views/by_kind'
  const answer = await without.inject(url)
  expect(answer.statusCode).toBe(200)
  const liveMissing = 'the speed store cannot be read: speed.sqlite: locked'
  expect(answer.json().meta).toMatchObject({ position: [0], liveMissing })
  const refused = await without.inject(`${url}?require=live`)
  expect(refused.statusCode).toBe(503)
  expect(refused.json()).toMatchObject({
    type: 'urn:watershed:problem:storage-fault',
    retryable: true,
    detail: expect.stringMatching(/^the speed store cannot be read: .* ask without requiring the live part/),
  })
  await without.close()
  const whole = await app.inject(`${url}?require=live`)
  expect(whole.json().meta).toMatchObject({ position: [0], liveMissing: null })
  const wrong = await app.inject(`${url}?require=everything`)
  expect(wrong.json()).toMatchObject({ status: 400, field: 'require', allowed: ['live', 'current'] })
})

test('docs/reference/http.md names every route and parameter', async () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/reference/http.md', import.meta.url)), 'utf8')
  const inDocs = [...text.matchAll(/^\| `((?:GET|POST|PUT|DELETE) \/[^`]*)` \|/gm)].map((match) => match[1]!)
  const index = (await app.inject('/')).json().routes as string[]
  expect(inDocs.filter((route) => route !== 'GET /').sort()).toEqual([...index].sort())
  const section = text.slice(text.indexOf('## Merged answers'), text.indexOf('### Queries as JSON'))
  const parameters = [...section.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap((row) =>
    [...row[1]!.matchAll(/\w+/g)].map(String),
  )
  expect(parameters.sort()).toEqual([...QUERY_PARAMETERS].sort())
})
