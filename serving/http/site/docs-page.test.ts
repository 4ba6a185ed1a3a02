/** The page of the API document: what it loads, and what a browser lets it do. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import { DOCS_PATH } from './docs-page.ts'

let shop: ServedShop
beforeAll(async () => {
  shop = await serveShop()
})
afterAll(() => shop.close())

test('loads only its own files, and runs no inline script', async () => {
  const page = await shop.app.inject(`${DOCS_PATH}/`)
  expect(page.statusCode).toBe(200)
  const policy = String(page.headers['content-security-policy'])
  expect(policy).toContain("script-src 'self';")
  expect(policy).not.toMatch(/https?:/)
  const loaded = [...page.body.matchAll(/(?:src|href)="([^"]*)"/g)].map(
    ([, url]) => new URL(url!, 'http://localhost/docs/'),
  )
  expect(loaded.length).toBeGreaterThan(4)
  for (const url of loaded) {
    expect(url.origin).toBe('http://localhost')
    expect((await shop.app.inject(url.pathname)).statusCode).toBe(200)
  }
  expect(page.body).not.toMatch(/<script(?! src=)/)
  const described = (await shop.app.inject('/openapi.json')).json()
  expect((await shop.app.inject(`${DOCS_PATH}/json`)).json()).toEqual(described)
})

test('can be opened without a key, which it asks for; what it describes cannot', async () => {
  const keyed = buildServeApp({ ...shop.parts, keys: ['a-key-of-sixteen-or-more'] })
  const statusOf = async (url: string): Promise<number> => (await keyed.inject(url)).statusCode
  expect(await statusOf(`${DOCS_PATH}/`)).toBe(200)
  expect(await statusOf(`${DOCS_PATH}/json`)).toBe(200)
  expect(await statusOf('/v1/datasets')).toBe(401)
  await keyed.close()
})
