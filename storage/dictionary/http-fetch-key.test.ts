/** Keys that are fetched from an HTTP source. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { DictionaryFetcher, FetchRefused } from './dictionary-fetcher.ts'
import { httpFetchKey } from './http-fetch-key.ts'
import { SqliteDictionary } from './sqlite/sqlite-dictionary.ts'

let http: Server
let url: string
let answer: (request: IncomingMessage, response: ServerResponse) => void
let asked: string[]
beforeAll(async () => {
  http = createServer((request, response) => {
    asked.push(request.url!)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/groups/{key}`
})
beforeEach(() => {
  asked = []
})
afterAll(() => http.close())

const ask = (key: string, source: Partial<Parameters<typeof httpFetchKey>[0]> = {}) =>
  httpFetchKey({ url, ...source })(key, AbortSignal.timeout(10_000))
const json = (value: unknown) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.setHeader('content-type', 'application/json').end(JSON.stringify(value))

test('gives the scalars of its answer, or the ones that are asked for', async () => {
  answer = json({ name: 'Ü', members: 3, open: true, category: { name: 'Tech' }, topics: ['a'], none: null })
  expect(await ask('a/b ü')).toEqual({ name: 'Ü', members: '3', open: 'true' })
  expect(asked).toEqual(['/groups/a%2Fb%20%C3%BC'])
  expect(await ask('1', { attributes: { category: 'category.name', city: 'place.city' } })).toEqual({
    category: 'Tech',
  })
})

test('sends its headers', async () => {
  answer = (request, response) => json({ key: request.headers['x-key'] })(request, response)
  expect(await ask('1', { headers: { 'x-key': 'secret' } })).toEqual({ key: 'secret' })
})

test('tells apart what does not exist, what is refused, and what may come later', async () => {
  const status = (code: number, headers: Record<string, string> = {}) => {
    answer = (_request, response) => void response.writeHead(code, headers).end('no')
  }
  status(404)
  expect(await ask('1')).toBeNull()
  status(403)
  await expect(ask('1')).rejects.toThrow(FetchRefused)
  status(500)
  await expect(ask('1')).rejects.not.toThrow(FetchRefused)
  status(429, { 'retry-after': '7' })
  await expect(ask('1')).rejects.toMatchObject({ restMs: 7_000 })
  answer = (_request, response) => void response.end('<html>')
  await expect(ask('1')).rejects.toThrow(/did not return JSON/)
  answer = json([1])
  await expect(ask('1')).rejects.toThrow(/did not return a JSON object/)
  answer = json({ name: 'x'.repeat(300_000) })
  await expect(ask('1')).rejects.toThrow(/more than \d+ bytes/)
  expect(() => httpFetchKey({ url: 'https://example.org/groups' })).toThrow(/not an http or https URL.*\{key\}/)
  expect(() => httpFetchKey({ url: 'file:///{key}' })).toThrow(/not an http or https URL/)
})

test('gets the login of its address as a header; messages tell neither it nor the query', async () => {
  const source = { url: `${url.replace('//', '//me:p%40ss@')}?token=abc&id={key}` }
  answer = (request, response) => json({ login: request.headers.authorization })(request, response)
  expect(await ask('1', source)).toEqual({ login: `Basic ${btoa('me:p@ss')}` })
  expect(asked).toEqual(['/groups/1?token=abc&id=1'])
  answer = (_request, response) => void response.writeHead(500).end()
  await expect(ask('1', source)).rejects.toThrow(/^http:\/\/127\.0\.0\.1:\d+\/groups\/1 answered 500/)
})

test('is followed within its host, but no redirect leaves it', async () => {
  const other = createServer((request, response) => {
    asked.push(`other ${request.url}`)
    json({ name: 'other' })(request, response)
  }).listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const to = (location: string) => (request: IncomingMessage, response: ServerResponse) =>
    request.url === '/moved' ? json({ name: 'moved' })(request, response) : response.writeHead(302, { location }).end()
  answer = to('/moved')
  expect(await ask('1')).toEqual({ name: 'moved' })
  for (const location of [`http://127.0.0.1:${port}/x`, `http://localhost:${port}/x`, 'https://127.0.0.1/x', '//']) {
    answer = to(location)
    const refused = ask('1', { headers: { 'x-key': 'secret' } })
    await expect(refused).rejects.toThrow(/redirects to .* which is not followed; use the final address/)
    await expect(refused).rejects.toBeInstanceOf(FetchRefused)
  }
  answer = to('/groups/1')
  await expect(ask('1')).rejects.toThrow(/redirects more than 5 times/)
  expect(asked.filter((path) => path.startsWith('other'))).toEqual([])
  other.close()
})

test('takes no key into the host part, and none that is a step in the path', async () => {
  for (const template of ['https://{key}.example.org/', 'https://example.org:{key}/', 'http://me:{key}@example.org/x'])
    expect(() => httpFetchKey({ url: template })).toThrow(/\{key\} in its host part/)
  answer = json({ name: 'x' })
  expect([await ask('..'), await ask('.'), asked]).toEqual([null, null, []])
})

test('that is busy is left alone for as long as it says, and asked again then', async () => {
  let busy = true
  answer = (request, response) => {
    if (busy) response.writeHead(429, { 'retry-after': '1' }).end()
    else json({ name: 'found' })(request, response)
    busy = false
  }
  const folder = mkdtempSync(join(tmpdir(), 'fetcher-'))
  const store = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const limits = { requestsPerSecondMax: 1_000, retryMs: 1, publishEveryMs: 3_600_000, requestsAtOnceMax: 1 }
  const fetcher = new DictionaryFetcher({ store, dictionary: 'groups', fetch: httpFetchKey({ url }), limits })
  const startedMs = performance.now()
  fetcher.want(['1', '2', '3'])
  await expect.poll(() => fetcher.state().waiting, { timeout: 20_000, interval: 5 }).toBe(0)
  expect(fetcher.state()).toMatchObject({ found: 3, failed: 0 })
  expect(performance.now() - startedMs).toBeGreaterThan(950)
  expect(asked).toHaveLength(4)
  await fetcher.stop()
  await store.close()
  rmSync(folder, { recursive: true })
})
