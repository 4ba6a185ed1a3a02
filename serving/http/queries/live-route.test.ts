/** Live streams over real sockets: what a client gets, how it comes back, and what is refused. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { count, defineDataset, max, sliding } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { StreamClient } from '#tests/event-stream-client.ts'
import { ManyClient, type ManyEvent } from '#tests/event-stream-clients.ts'
import { type GeneratedPlatform, openGenerated } from '#tests/generated-definitions/generated-platform.ts'
import { until } from '#tests/until.ts'
import { FOLLOWED_MAX, PAUSE_MS_MAX } from './live-many-route.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: {
    ids: { dimensions: {}, measures: { last: max('id') } },
    by_page: { dimensions: { page: 'page' }, time: ['minute', 'hour'], measures: { visits: count() } },
    trending: {
      dimensions: { page: 'page' },
      window: sliding({ size: '2s', every: '1s' }),
      measures: { visits: count() },
      rank: { by: 'visits', limit: 3 },
    },
  },
})

let folder: string
let engine: DuckDbEngine
let platform: GeneratedPlatform
let url: string
let clients: { close(): void }[]
let appended: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-live-route-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterAll(() => {
  engine.close()
  rmSync(folder, { recursive: true })
})
beforeEach(async () => {
  clients = []
  appended = 0
  await start()
})
afterEach(async () => {
  for (const client of clients) client.close()
  await platform.close()
})

async function start(serveLimits = {}): Promise<void> {
  platform = await openGenerated({ folder, engine, definition, segmentRecordsMax: 1_000, resident: true, serveLimits })
  await platform.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = platform.app.server.address() as AddressInfo
  url = `http://127.0.0.1:${port}/v1/datasets/visits/views`
}

async function restart(serveLimits: object): Promise<void> {
  await platform.close()
  await start(serveLimits)
}

async function append(...pages: readonly string[]): Promise<void> {
  const rows = pages.map((page) => JSON.stringify({ id: ++appended, at: Date.now(), page }))
  const { verdicts } = await platform.intake.offer(rows)
  expect(verdicts.every(({ status }) => status === 'accepted')).toBe(true)
}

async function follow(path: string, headers = {}, begin = {}): Promise<StreamClient> {
  const client = await StreamClient.open(`${url}/${path}`, headers, begin)
  clients.push(client)
  return client
}

const total = (rows: StreamClient['rows']): number => rows.reduce((sum, row) => sum + Number(row.visits), 0)

test('first the answer, then only what changed, each event with the id of what the client has then', async () => {
  await append('/', '/', '/a')
  const client = await follow('by_page/live')
  expect(client.response.headers.get('content-type')).toBe('text/event-stream')
  const first = await client.next('the answer', ({ rows }) => total(rows) === 3)
  expect([first.event, first.rows]).toEqual([
    'answer',
    [
      { page: '/', visits: 2 },
      { page: '/a', visits: 1 },
    ],
  ])
  await append('/a')
  const next = await client.next('the change', ({ rows }) => total(rows) === 4)
  expect(next).toMatchObject({
    event: 'change',
    data: { changed: [{ from: 1, at: 1, row: { page: '/a', visits: 2 } }] },
  })
  expect(next.data as object).not.toHaveProperty('meta.dataset')
  const got = (await (await fetch(`${url}/by_page`)).json()) as { data: unknown; meta: Record<string, unknown> }
  expect(next.rows).toEqual(got.data)
  expect(next.meta).toEqual({ ...got.meta, asOf: next.meta!.asOf, freshnessMs: next.meta!.freshnessMs })
  const position = next.meta!.position.map((offset, partition) => `${partition}:${offset}`).join(',')
  expect(next.id).toMatch(new RegExp(`^${position}/[\\w-]{12}$`))
  expect(client.retries[0]).toBeGreaterThanOrEqual(1_000)
})

test('totals have all of their digits, as in every answer', async () => {
  await platform.intake.offer([`{"id":9007199254740993,"at":${Date.now()},"page":"/"}`])
  const reading = new AbortController()
  const { body } = await fetch(`${url}/ids/live?totals=true`, { signal: reading.signal })
  let text = ''
  for await (const bytes of body!) {
    text += Buffer.from(bytes).toString()
    if (/"totals":\{"last":\d+\}/.test(text)) break
  }
  reading.abort()
  expect(text).toContain('"totals":{"last":9007199254740993}')
})

test('the view itself is followed when the client accepts events, also after others asked the same URL for JSON', async () => {
  await append('/')
  for (const _ of [1, 2]) expect(await (await fetch(`${url}/by_page`)).json()).toHaveProperty('data')
  const client = await follow('by_page')
  expect((await client.next('the answer', () => true)).event).toBe('answer')
  await append('/b')
  await client.next('the change', ({ event, rows }) => event === 'change' && total(rows) === 2)
})

test('a query of the query model is followed by GET and by POST', async () => {
  await append('/', '/a')
  const dataset = url.replace(/\/views$/, '')
  const query = JSON.stringify({ view: 'by_page', dimensions: [] })
  const client = await StreamClient.open(`${dataset}/query/live?q=${encodeURIComponent(query)}`)
  clients.push(client)
  await client.next('the answer', ({ event, rows }) => event === 'answer' && total(rows) === 2)
  await append('/')
  await client.next('the change', ({ event, rows }) => event === 'change' && total(rows) === 3)
  const headers = { 'content-type': 'application/json', accept: 'text/event-stream' }
  const posted = await fetch(`${dataset}/query`, { method: 'POST', headers, body: query })
  expect(posted.headers.get('content-type')).toBe('text/event-stream')
  await posted.body!.cancel()
})

async function followMany(queries: readonly object[]): Promise<ManyClient> {
  const response = await fetch(`${url.replace(/datasets.*$/, '')}live`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ queries }),
  })
  const client = await ManyClient.of(response)
  clients.push(client)
  return client
}

test('many queries are followed over one connection, each from where it was', async () => {
  await append('/', '/a')
  const all = { dataset: 'visits', view: 'by_page', parameters: { dimensions: '' } }
  const queries = [{ dataset: 'visits', view: 'by_page' }, all, { dataset: 'visits', view: 'none' }]
  const first = await followMany(queries)
  await first.until('all three', (events) => new Set(events.map(({ query }) => query)).size === 3)
  expect(first.events.find(({ query }) => query === 2)).toMatchObject({
    event: 'problem',
    data: { status: 404, detail: expect.stringContaining("'none'") },
  })
  expect(first.events.find(({ query }) => query === 1)).toMatchObject({
    event: 'answer',
    data: { data: [{ visits: 2 }] },
  })
  await append('/b')
  const isNew = ({ query, event }: ManyEvent): boolean => query === 1 && event === 'change'
  await first.until('the change of the second', (events) => events.some(isNew))
  const { id: lastEventId } = first.events.findLast(({ query }) => query === 1)!
  first.close()
  await append('/c')
  const again = await followMany([{ ...all, lastEventId }])
  const total = { changed: [{ from: 0, at: 0, row: { visits: 4 } }] }
  await again.until('the rest', (events) => events.some(({ data }) => 'changed' in data))
  expect(again.events.every(({ event }) => event === 'change')).toBe(true)
  expect(again.events.find(({ data }) => 'changed' in data)!.data).toMatchObject(total)
})

test('who comes soon after the last reader left gets the answer at once, and waits only for the next one', async () => {
  await append('/')
  const query = { dataset: 'visits', view: 'by_page', parameters: { dimensions: '' }, pauseMs: PAUSE_MS_MAX }
  const isAnswer = ({ event }: ManyEvent): boolean => event === 'answer'
  const first = await followMany([query])
  await first.until('the answer', (events) => events.some(isAnswer))
  first.close()
  await append('/a')
  await until('more is counted', async () => {
    const { data } = (await (await fetch(`${url}/by_page?dimensions=`)).json()) as { data: [{ visits: number }] }
    return data[0].visits === 2
  })
  const next = await followMany([query])
  await next.until('the answer', (events) => events.some(isAnswer))
  expect(next.events.find(isAnswer)!.data).toEqual(first.events.find(isAnswer)!.data)
})

const ONE = { dataset: 'visits', view: 'by_page' }
test.each([
  ['no query', [], /^queries: must have at least 1 elements/],
  ['too many', Array.from({ length: FOLLOWED_MAX + 1 }, () => ONE), /^queries: must have at most 100 elements/],
  ['one without a view', [ONE, { dataset: 'visits' }], /^queries\[1\]\.view: is required but missing/],
  [
    'a pause that is too long',
    [{ ...ONE, pauseMs: PAUSE_MS_MAX + 1 }],
    /^queries\[0\]\.pauseMs: must be at most 60000/,
  ],
  ['an unknown member', [ONE, { ...ONE, params: {} }], /^queries\[1\]\.params: unknown member/],
])('a stream of many is refused with %s', async (_what, queries, detail) => {
  const reply = await platform.app.inject({ method: 'POST', url: '/v1/live', payload: { queries } })
  expect(reply.statusCode).toBe(400)
  expect(reply.json().detail).toMatch(detail)
})

test.each<[object, string | undefined, RegExp]>([
  [{ view: 'none' }, 'queries[1].view', /^queries\[1\]\.view: 'none' is unknown/],
  [{ dataset: 'none' }, undefined, /^queries\[1\]: dataset 'none' is unknown/],
  [{ parameters: { filter: 'x' } }, 'queries[1].parameters.filter', /filter: 'x' does not have the form/],
  [{ parameters: { limt: '1' } }, 'queries[1].parameters.limt', /limt: unknown parameter \(did you mean 'limit'\?\)/],
  [{ parameters: { grain: ['a', 'b'] } }, 'queries[1].parameters.grain', /grain: is given more than once/],
  [{ lastEventId: 'x' }, 'queries[1].lastEventId', /lastEventId: 'x' is not the id of an event/],
])('what is wrong with one of many is named by its place: %j', async (wrong, field, detail) => {
  const reply = await fetch(`${url.replace(/datasets.*$/, '')}live`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ queries: [ONE, { ...ONE, ...wrong }] }),
  })
  const client = await ManyClient.of(reply)
  clients.push(client)
  await client.until('the problem', (events) => events.some(({ event }) => event === 'problem'))
  const { query, data } = client.events.find(({ event }) => event === 'problem')!
  expect({ query, data }).toEqual({
    query: 1,
    data: expect.objectContaining({ detail: expect.stringMatching(detail) }),
  })
  expect((data as { field?: string }).field).toBe(field)
})

test('all readers of one query share one computation', async () => {
  await append('/')
  const readers = await Promise.all(Array.from({ length: 8 }, () => follow('by_page/live?limit=5')))
  for (const reader of readers) await reader.next('the answer', ({ rows }) => total(rows) === 1)
  const before = platform.live!.counts.computed
  await append('/')
  for (const reader of readers) await reader.next('the change', ({ rows }) => total(rows) === 2)
  // What is counted may be known in two steps: the log, and the segment.
  expect(platform.live!.counts.computed - before).toBeLessThanOrEqual(3)
})

test('a window that moves with the clock changes without events', async () => {
  await append('/', '/a')
  const client = await follow('trending/live')
  await client.next('both rows', ({ rows }) => total(rows) === 2)
  const empty = await client.next('no rows', ({ event, rows }) => event === 'change' && rows.length === 0)
  expect(empty.data).toMatchObject({
    removed: [
      { from: 0, key: { page: '/' } },
      { from: 1, key: { page: '/a' } },
    ],
  })
  expect(empty.id).not.toBe(client.events[0]!.id)
})

test('a client that comes back gets the changes that it missed, and no answer', async () => {
  await append('/')
  const stays = await follow('by_page/live')
  const first = await follow('by_page/live')
  const { id, rows, meta } = await first.next('the answer', ({ rows: got }) => total(got) === 1)
  first.close()
  for (const visits of [2, 3]) {
    await append('/')
    await stays.next('the change', ({ rows: got }) => total(got) === visits)
  }
  const back = await follow('by_page/live', {}, { lastId: id!, rows, meta })
  await back.next('all', ({ rows: got }) => total(got) === 3)
  expect(back.events.map(({ event }) => event)).not.toContain('answer')
  expect(back.events.map((event) => total(event.rows)).filter((sum) => sum > 1)[0]).toBe(2)
  const parameter = await follow(`by_page/live?lastEventId=${encodeURIComponent(back.lastId!)}`)
  const only = await parameter.next('that nothing changed', () => true)
  expect([only.event, Object.keys(only.data as object)]).toEqual(['change', ['meta']])
})

test('a client with an answer that is not known any more gets the newest one, never one from before', async () => {
  await append('/')
  const first = await follow('by_page/live')
  const { id } = await first.next('the answer', ({ rows }) => total(rows) === 1)
  const other = await follow('by_page/live', {}, { lastId: `${id!.split('/')[0]}/AAAAAAAAAAAA` })
  expect((await other.next('an answer', () => true)).event).toBe('answer')
  const ahead = await follow('by_page/live?atLeast=0:1,1:1')
  await append('/', '/', '/', '/', '/', '/', '/', '/')
  const reached = await ahead.next('an answer', () => true)
  expect(Math.min(...reached.meta!.position)).toBeGreaterThanOrEqual(1)
})

test('a position that is not reached in time is a problem event; the answer follows when it is', async () => {
  await restart({ waitMsMax: 50 })
  const client = await follow('by_page/live?atLeast=0:1,1:1')
  const problem = await client.next('the problem', () => true)
  expect(problem).toMatchObject({
    event: 'problem',
    id: undefined,
    data: { type: 'urn:watershed:problem:position-not-reached', status: 504 },
  })
  await append('/', '/', '/', '/', '/', '/', '/', '/')
  expect((await client.next('the answer', ({ event }) => event === 'answer')).rows).not.toEqual([])
  expect(client.events.filter(({ event }) => event === 'problem')).toHaveLength(1)
})

test('what is wrong with the request is refused before the stream begins', async () => {
  const refused = async (path: string, headers = {}): Promise<unknown> => {
    const { response } = await follow(path, headers)
    return [
      response.status,
      response.headers.get('content-type'),
      ((await response.json()) as { field?: string }).field,
    ]
  }
  const problem = 'application/problem+json; charset=utf-8'
  expect(await refused('by_page/live?limit=0')).toEqual([400, problem, 'limit'])
  expect(await refused('nothing/live')).toEqual([404, problem, 'view'])
  expect(await refused('by_page/live', { 'last-event-id': '17' })).toEqual([400, problem, 'Last-Event-ID'])
  expect(await refused('by_page/live', { origin: 'https://elsewhere.example' })).toEqual([403, problem, undefined])
})

test('beyond the limits of readers and queries further ones are refused, until one leaves', async () => {
  await restart({ liveReadersMax: 3, liveReadersPerClientMax: 2, liveQueriesMax: 1 })
  const [one] = [await follow('by_page/live'), await follow('by_page/live')]
  const full = await follow('by_page/live')
  expect([full.response.status, await full.response.json()]).toEqual([
    429,
    expect.objectContaining({ detail: expect.stringContaining('liveReadersPerClientMax = 2') }),
  ])
  one.close()
  await until('there is room', async () => (await follow('by_page/live')).response.ok)
  await restart({ liveQueriesMax: 1 })
  await follow('by_page/live')
  const other = await follow('trending/live')
  expect([other.response.status, await other.response.json()]).toEqual([
    429,
    expect.objectContaining({ detail: expect.stringContaining('liveQueriesMax = 1') }),
  ])
})

/** A client that reads nothing at first. */
function stuck(path: string): { readonly socket: Socket; text(): string } {
  const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1' })
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part)).on('error', () => {})
  socket.pause()
  socket.write(`GET /v1/datasets/visits/views/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  return { socket, text: () => Buffer.concat(parts).toString() }
}

const PAGES = Array.from({ length: 150 }, (_, page) => `/${page}-${'x'.repeat(4_000)}`)
const SLOW = 'by_page/live?limit=150'

/** More than what the system buffers for a connection. */
async function changeAll(rounds: number, reader: StreamClient): Promise<void> {
  const before = total(reader.rows)
  for (let round = 1; round <= rounds; round++) {
    await append(...PAGES)
    await reader.next('the change', ({ rows }) => total(rows) === before + 150 * round)
  }
}

test('a reader that is slow holds up nobody, is told that it missed events, and goes on with the newest answer', async () => {
  await restart({ readerBytesMax: 1, historyEventsMax: 2, eventPauseMs: 1 })
  await append(...PAGES)
  const reader = await follow(SLOW)
  await reader.next('all rows', ({ rows }) => total(rows) === 150)
  const { socket, text } = stuck(SLOW)
  await changeAll(15, reader)
  socket.resume()
  const data = await until('the newest answer', () => {
    const [, found] = /event: answer\ndata: (.*)\n\n\r\n$/.exec(text()) ?? []
    return found !== undefined && found
  })
  expect(text()).toMatch(/event: skipped\ndata: {"after":"0:\d+,1:\d+\/[\w-]{12}"}\n/)
  expect((JSON.parse(data) as { data: unknown }).data).toEqual(reader.rows)
  socket.destroy()
})

test('when the server stops, streams end after what was sent', async () => {
  await append('/')
  const client = await follow('by_page/live')
  await client.next('the answer', ({ rows }) => total(rows) === 1)
  await platform.app.close()
  await until('the stream is over', () => client.isOver)
  expect(client.events.every(({ event }) => event === 'answer' || event === 'change')).toBe(true)
})
