/** The routes of the live page, with the page as it is built. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BuiltPageFiles } from '#dashboards/page/page-files.ts'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { LiveVisits } from '#tests/live-visits-fixture.ts'
import { until } from '#tests/until.ts'

const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', host: 'localhost' } as const
const KEY = 'a-key-of-sixteen-or-more'
const SHELL_FILES = ['echarts.js', 'first-paint.js', 'icon.svg', 'main.js', 'page.css']
/** of less, compressing saves little */
const COMPRESSED_BYTES_MIN = 4_000

let shop: ServedShop
let app: ServedShop['app']

beforeAll(async () => {
  shop = await serveShop()
  app = buildServeApp({ ...shop.parts, page: new BuiltPageFiles() })
})
afterAll(async () => {
  await app.close()
  await shop.close()
})

const get = (url: string, headers: Readonly<Record<string, string>> = BROWSER) => app.inject({ url, headers })
const filesIn = (html: string): string[] =>
  [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name]) => name!).filter((name) => name.startsWith('/page/'))
/** '/page/main-ZA4FXLXB.js' → 'main.js' */
const withoutHash = (name: string): string => name.replace(/^\/page\//, '').replace(/-[A-Z0-9]{8}(?=\.)/, '')

describe('the shell', () => {
  test.each(['/', '/datasets/shop', '/datasets/shop?f.kind=a,b'])('is at %s for a browser', async (url) => {
    const { statusCode, headers, body } = await get(url)
    expect(statusCode).toBe(200)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['cache-control']).toBe('no-cache')
    expect(body).toMatch(/^<!doctype html>/)
    expect(filesIn(body).map(withoutHash).sort()).toEqual(expect.arrayContaining(SHELL_FILES))
  })

  test('is not what a program gets at /', async () => {
    for (const accept of ['*/*', 'application/json']) {
      const { headers, body } = await get('/', { ...BROWSER, accept })
      expect(headers.vary).toBe('accept')
      expect(JSON.parse(body)).toMatchObject({ product: 'watershed', datasets: ['/v1/datasets/shop'] })
    }
  })

  test('allows nothing inline, and nothing from elsewhere', async () => {
    const { headers, body } = await get('/')
    expect(headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(headers['content-security-policy']).not.toMatch(/unsafe|http/)
    expect(body).not.toMatch(/<style|style=|onclick|https?:/)
    expect(body.match(/<script[^>]*>[^<]/)).toBeNull()
  })

  test('is not sent again while it is the same', async () => {
    const { headers } = await get('/')
    const again = await get('/', { ...BROWSER, 'if-none-match': String(headers.etag) })
    expect(again.statusCode).toBe(304)
    expect(again.body).toBe('')
  })

  test('is not shown in a frame of another site, and to no page of one', async () => {
    const framed = await get('/datasets/shop', { ...BROWSER, 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })
    expect(framed.statusCode).toBe(403)
  })
})

describe('the files', () => {
  test('can be kept forever, because their names change with them, and are compressed', async () => {
    const named = filesIn((await get('/')).body).filter((name) => !name.endsWith('.svg'))
    expect(named.length).toBeGreaterThanOrEqual(SHELL_FILES.length - 1)
    for (const name of named) {
      const plain = await get(name)
      const zipped = await get(name, { ...BROWSER, 'accept-encoding': 'gzip, deflate' })
      expect(plain.headers['cache-control']).toBe('public, max-age=31536000, immutable')
      if (plain.rawPayload.length < COMPRESSED_BYTES_MIN) continue
      expect(zipped.headers).toMatchObject({ 'content-encoding': 'gzip', etag: plain.headers.etag })
      expect(zipped.rawPayload.length).toBeLessThan(plain.rawPayload.length / 2)
    }
  })

  test('the scripts before charts are below 300 KB', async () => {
    const { body } = await get('/')
    const scripts = [...body.matchAll(/<script[^>]* src="([^"]+)"/g)].map(([, name]) => name!)
    expect(scripts.map((name) => withoutHash(name))).toEqual(['first-paint.js', 'main.js'])
    const urgent = [...body.matchAll(/<link rel="modulepreload" href="([^"]+)">/g)].map(([, name]) => name!)
    const sizes = await Promise.all([...scripts, ...urgent].map(async (name) => (await get(name)).rawPayload.length))
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(300_000)
    // What draws charts is fetched meanwhile, after what is urgent.
    expect(body).toMatch(/<link rel="modulepreload" href="[^"]*echarts[^"]*" fetchpriority="low">/)
  })

  test('the shell names every script that the first panels need, so that none is found out about later', async () => {
    const { body } = await get('/')
    const named = filesIn(body)
    for (const name of named.filter((name) => name.endsWith('.js'))) {
      const imports = [...(await get(name)).body.matchAll(/(?:from|import)"\.\/([^"]+)"/g)].map(([, file]) => file!)
      expect(named).toEqual(expect.arrayContaining(imports.map((file) => `/page/${file}`)))
    }
  })

  test.each(['/page/absent.js', '/page/..%2Fbuild-page.ts'])('%s is not found', async (url) => {
    const { statusCode, headers } = await get(url)
    expect(statusCode).toBe(404)
    expect(headers['content-type']).toMatch('application/problem+json')
  })
})

test('where keys are set, the page is open and its numbers are not', async () => {
  const keyed = buildServeApp({ ...shop.parts, page: new BuiltPageFiles(), keys: [KEY] })
  const status = async (url: string, accept: string) =>
    (await keyed.inject({ url, headers: { accept, host: 'example.org' } })).statusCode
  expect(await status('/', 'text/html')).toBe(200)
  expect(await status('/datasets/shop', 'text/html')).toBe(200)
  expect(await status('/', 'application/json')).toBe(401)
  expect(await status('/v1/datasets', 'text/html')).toBe(401)
  await keyed.close()
})

test('opening the page of a dataset prepares what it shows first, for those only who may see it', async () => {
  const own = await LiveVisits.open()
  await own.append(10)
  const { dataset, lake, store, engine } = own
  const served = { dataset, lake, store, engine, partitions: 2, live: own.answers }
  const keyed = buildServeApp({
    ...{ ...shop.parts, page: new BuiltPageFiles(), keys: [KEY] },
    datasets: new Map([['visits', served]]),
  })
  const open = (url: string, headers = {}) => keyed.inject({ url, headers: { ...BROWSER, ...headers } })
  const authorization = `Bearer ${KEY}`
  expect((await open('/datasets/visits')).statusCode).toBe(200)
  expect((await open('/datasets/absent', { authorization })).statusCode).toBe(200)
  // It would do nothing while others are prepared.
  await own.answers.expect(['trending'])
  expect(['by_page', 'trending'].map((name) => own.live.isFollowed(name))).toEqual([false, true])
  expect((await open('/datasets/visits', { authorization })).statusCode).toBe(200)
  await until('the view is followed', () => own.live.isFollowed('by_page'))
  await keyed.close()
  await own.end()
})

test('without a page there are no routes of it', async () => {
  const reply = await shop.app.inject({ url: '/', headers: BROWSER })
  expect(reply.headers['content-type']).toMatch('application/json')
  expect((await shop.app.inject({ url: '/datasets/shop', headers: BROWSER })).statusCode).toBe(404)
})
