/** Who may operate, and what the routes of jobs, generations and sources answer. */
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { PROGRESS_STREAMS_MAX } from './job-routes.ts'

const KEY = 'an-api-key-of-this-shop'
const ADMIN = 'the-key-of-its-operator'
const JOBS = '/v1/datasets/shop/jobs'

let shop: ServedShop
beforeAll(async () => {
  shop = await serveShop()
})
afterAll(() => shop.close())

const start = (payload: unknown, headers: Record<string, string> = {}) =>
  shop.app.inject({
    method: 'POST',
    url: JOBS,
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    headers: { 'content-type': 'application/json', ...headers },
  })

describe('who may operate', () => {
  test.each<[string, readonly string[], string | undefined, Record<string, string>, number, string]>([
    ['this machine without keys', [], undefined, {}, 202, ''],
    ['the page that this server has', [], undefined, { 'sec-fetch-site': 'same-origin' }, 202, ''],
    ['a page of another port', [], undefined, { 'sec-fetch-site': 'same-site' }, 403, 'forbidden'],
    ['a page of another site', [], undefined, { 'sec-fetch-site': 'cross-site' }, 403, 'forbidden'],
    ['a page of another site', [], undefined, { origin: 'https://evil.example' }, 403, 'forbidden'],
    ['this machine without the admin key', [], ADMIN, {}, 403, 'operator-only'],
    ['this machine with it', [], ADMIN, { authorization: `Bearer ${ADMIN}` }, 202, ''],
    ['nobody, with an API key only', [KEY], undefined, { authorization: `Bearer ${KEY}` }, 403, 'operator-only'],
    ['an API key beside an admin key', [KEY], ADMIN, { authorization: `Bearer ${KEY}` }, 403, 'operator-only'],
    ['no key where there are keys', [KEY], ADMIN, {}, 401, 'unauthorized'],
    ['the admin key', [KEY], ADMIN, { authorization: `Bearer ${ADMIN}` }, 202, ''],
  ])('%s (%j, admin key %s)', async (_who, keys, adminKey, headers, status, problem) => {
    const app = buildServeApp({ ...shop.parts, keys, adminKey })
    const payload = { kind: 'verify' }
    const reply = await app.inject({ method: 'POST', url: JOBS, payload, headers })
    expect(reply.statusCode).toBe(status)
    if (problem !== '') expect(reply.json().type).toBe(`urn:watershed:problem:${problem}`)
    const key = adminKey ?? keys[0]
    const reading = { url: JOBS, headers: key === undefined ? {} : { authorization: `Bearer ${key}` } }
    expect((await app.inject(reading)).statusCode).toBe(200)
    await app.close()
  })
})

describe('jobs', () => {
  test('one that was started is found, is not doubled, and is cancelled', async () => {
    const started = await start({ kind: 'batch', mode: 'full' })
    expect(started.statusCode).toBe(202)
    const job = started.json()
    expect(job).toMatchObject({ state: 'waiting', reason: expect.stringContaining('no batch role is running') })
    expect((await start({ kind: 'batch', mode: 'full' })).json().id).toBe(job.id)
    const url = String(started.headers.location)
    expect((await shop.app.inject(url)).json()).toEqual(job)
    const listed = (await shop.app.inject(`${JOBS}?state=waiting`)).json()
    expect(listed.jobs.map(({ id }: { id: string }) => id)).toContain(job.id)
    const cancelled = await shop.app.inject({ method: 'POST', url: `${url}/cancel` })
    expect(cancelled.json()).toMatchObject({ id: job.id, state: 'cancelled' })
    const again = await shop.app.inject({ method: 'POST', url: `${url}/cancel` })
    expect(again.json()).toMatchObject({ status: 409, detail: 'the job has ended: it is cancelled' })
    const progress = await shop.app.inject(`${url}/progress`)
    expect(progress.headers['content-type']).toBe('text/event-stream')
    expect(progress.body).toMatch(/^event: end\ndata: \{"id":"[^\n]*"state":"cancelled"[^\n]*\}\n\n$/)
  })

  test.each([
    [{ kind: 'dance' }, 400, 'bad-query', /^kind: /],
    [{ kind: 'verify', mode: 'full' }, 400, 'bad-query', /^mode: only a batch run has one/],
    [{ kind: 'batch', force: true }, 400, 'bad-query', /^force: unknown member/],
    ['[]', 400, 'bad-query', /^the body: /],
    ['{', 400, 'bad-request', /not valid JSON/],
    ['', 400, 'bad-request', /body is empty/],
    [`"${'x'.repeat(70_000)}"`, 413, 'too-large', /limit/],
  ])('%j is refused', async (payload, status, type, detail) => {
    const reply = await start(payload)
    expect(reply.json()).toMatchObject({ status, type: `urn:watershed:problem:${type}` })
    expect(reply.json().detail).toMatch(detail)
  })

  test('what is unknown is not found, and another type is refused', async () => {
    expect((await start({ kind: 'verify' }, { 'content-type': 'text/plain' })).statusCode).toBe(415)
    for (const url of [`${JOBS}/20260101T000000000-abcdef`, `${JOBS}/..%2f..`, '/v1/datasets/zoo/jobs'])
      expect((await shop.app.inject(url)).statusCode).toBe(404)
  })

  test('only so many streams of progress are open', async () => {
    const { id } = (await start({ kind: 'backfill' })).json()
    const address = await shop.app.listen({ port: 0, host: '127.0.0.1' })
    const leave = new AbortController()
    const follow = () => fetch(`${address}${JOBS}/${id}/progress`, { signal: leave.signal })
    const streams = await Promise.all(Array.from({ length: PROGRESS_STREAMS_MAX }, follow))
    const first = await streams[0]!.body!.getReader().read()
    expect(new TextDecoder().decode(first.value)).toMatch(/^event: job\n/)
    expect((await follow()).status).toBe(429)
    leave.abort()
  })

  test('clients that leave while their job is looked for take no stream, and HEAD begins none', async () => {
    const other = await serveShop()
    const { id } = await other.parts.operations!.jobs.get('shop')!.ask({ kind: 'verify', mode: null })
    const { port } = new URL(await other.app.listen({ port: 0, host: '127.0.0.1' }))
    const url = `${JOBS}/${id}/progress`
    const ledger = other.parts.operations!.jobs.get('shop')!
    const found = await ledger.job(id)
    for (let left = 0; left < PROGRESS_STREAMS_MAX; left++) {
      const closed = new Promise<void>((over) => other.app.server.once('connection', (at) => at.once('close', over)))
      const client = connect(Number(port), '127.0.0.1', () =>
        client.write(`GET ${url} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
      )
      const looked = new Promise<void>((looks) => {
        ledger.job = async () => {
          looks()
          await closed
          return found
        }
      })
      await looked
      client.destroy()
      await closed
    }
    ledger.job = async () => ({ ...found!, state: 'cancelled' })
    expect((await other.app.inject(url)).statusCode).toBe(200)
    expect((await other.app.inject({ method: 'HEAD', url })).statusCode).toBe(405)
    await other.close()
  })
})

describe('generations and sources', () => {
  test('what is unknown is not found', async () => {
    const post = async (url: string) => (await shop.app.inject({ method: 'POST', url })).json()
    const back = await post('/v1/datasets/shop/generations/g000009/rollback')
    expect(back).toMatchObject({ status: 404, detail: expect.stringContaining("generation 'g000009'") })
    const pause = await post('/v1/datasets/shop/sources/live/pause')
    expect(pause).toMatchObject({ status: 404, detail: expect.stringContaining("source 'live' is unknown") })
  })
})
