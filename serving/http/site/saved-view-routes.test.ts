/** Saved views over HTTP: they are kept, listed, renamed and deleted, within limits, and by nobody else's page. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildServeApp } from '#serving/http/serve-app.ts'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'
import {
  NAME_CHARS_MAX,
  PARAMETERS_CHARS_MAX,
  SAVED_VIEWS_MAX,
  SavedViewLedger,
} from '#storage/saved-views/saved-view-ledger.ts'
import { FolderTexts } from '#storage/texts/local/folder-texts.ts'

const PATH = '/v1/datasets/shop/saved-views'

let shop: ServedShop
beforeAll(async () => {
  shop = await serveShop()
})
afterAll(() => shop.close())

type Headers = Readonly<Record<string, string>>
const ask = (method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, payload?: object, headers: Headers = {}) =>
  shop.app.inject({
    method,
    url,
    headers: { host: 'localhost', ...headers },
    ...(payload !== undefined && { payload }),
  })
const listed = async (): Promise<readonly { name: string; parameters: string }[]> =>
  (await ask('GET', PATH)).json().savedViews

test('a view is saved, listed by name, renamed, replaced and deleted', async () => {
  const saved = await ask('POST', PATH, { name: ' UK, last day ', parameters: 'f.kind=order&range=24h' })
  expect(saved.statusCode).toBe(201)
  const { id } = saved.json()
  expect(saved.json()).toMatchObject({ name: 'UK, last day', link: `/datasets/shop?saved=${id}` })
  await ask('POST', PATH, { name: 'All', parameters: '' })
  expect((await listed()).map(({ name }) => name)).toEqual(['All', 'UK, last day'])
  await ask('PUT', `${PATH}/${id}`, { name: 'A day' })
  await ask('PUT', `${PATH}/${id}`, { parameters: 'range=24h' })
  expect((await listed())[0]).toMatchObject({ id, name: 'A day', parameters: 'range=24h' })
  expect((await ask('DELETE', `${PATH}/${id}`)).json()).toEqual({ id })
  expect((await listed()).map(({ name }) => name)).toEqual(['All'])
})

describe('refused', () => {
  test.each<[string, object]>([
    ['name', { name: ' ', parameters: '' }],
    ['name', { name: 'x'.repeat(NAME_CHARS_MAX + 1), parameters: '' }],
    ['parameters', { name: 'x', parameters: 'x'.repeat(PARAMETERS_CHARS_MAX + 1) }],
    ['extra', { name: 'x', parameters: '', extra: 1 }],
  ])('%s: %j', async (field, payload) => {
    const reply = await ask('POST', PATH, payload)
    expect(reply.json()).toMatchObject({ status: 400, field })
  })

  test.each(['absent-id-12', '..%2f..%2fjobs', 'x'])('%s is not found', async (id) => {
    expect((await ask('PUT', `${PATH}/${id}`, { name: 'x' })).statusCode).toBe(404)
    expect((await ask('DELETE', `${PATH}/${id}`)).statusCode).toBe(404)
  })

  test.each<Headers>([
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site', origin: 'http://localhost:3000' },
  ])('a page of elsewhere: %j', async (headers) => {
    const before = await listed()
    expect((await ask('POST', PATH, { name: 'x', parameters: '' }, headers)).statusCode).toBe(403)
    expect(await listed()).toEqual(before)
  })

  test('without a key, where keys are set', async () => {
    const keyed = buildServeApp({ ...shop.parts, keys: ['a-key-of-sixteen-or-more'] })
    const reply = await keyed.inject({ method: 'POST', url: PATH, payload: { name: 'x', parameters: '' } })
    expect(reply.statusCode).toBe(401)
    await keyed.close()
  })

  test('one more than the limit, until one is deleted', async () => {
    const { id } = (await ask('POST', PATH, { name: 'first', parameters: '' })).json()
    const kept = (await listed()).length
    const ledger = shop.parts.savedViews!.get('shop')!
    for (let n = kept; n < SAVED_VIEWS_MAX; n++) await ledger.save({ name: `v${n}`, parameters: '' })
    const reply = await ask('POST', PATH, { name: 'x', parameters: '' })
    expect(reply.json()).toMatchObject({ status: 409, type: 'urn:watershed:problem:too-many-saved' })
    await ask('DELETE', `${PATH}/${id}`)
    expect((await ask('POST', PATH, { name: 'x', parameters: '' })).statusCode).toBe(201)
    expect(await new SavedViewLedger('shop', new FolderTexts('/absent')).list()).toEqual([])
  })
})
