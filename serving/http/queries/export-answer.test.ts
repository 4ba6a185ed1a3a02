import { readdirSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { type ServedShop, serveShop } from '#serving/http/serve-app-fixture.ts'

let shop: ServedShop
afterEach(() => shop.close())

const URL = '/v1/datasets/shop/views/by_kind.csv?limit=all'

test('an export that is larger than its limit is refused by name, and leaves no file', async () => {
  shop = await serveShop({ exportBytesMax: 3 })
  const reply = await shop.app.inject(URL)
  expect(reply.json()).toMatchObject({
    status: 413,
    type: 'urn:watershed:problem:answer-too-large',
    detail: expect.stringContaining('exportBytesMax = 3 bytes'),
  })
  expect(readdirSync(shop.parts.scratchFolder!).filter((name) => /^(answer|export)-/.test(name))).toEqual([])
})

test('without rows, an export still has its columns; a turn is free again after each', async () => {
  shop = await serveShop({ exportsMax: 1, queriesWaitingMax: 0 })
  for (let turn = 0; turn < 3; turn++) {
    const reply = await shop.app.inject(`${URL}&bom=true`)
    expect(reply.body).toBe('\uFEFFkind,id,n\n')
    expect(reply.headers).toMatchObject({ 'cache-control': 'no-store', 'watershed-truncated': 'false' })
  }
})

test.each(['json', 'csv', 'ndjson', 'arrow', 'parquet', 'xlsx'])(
  'HEAD of an answer or export as %s states no length, which the next GET need not have, and computes no export',
  async (extension) => {
    shop = await serveShop({ exportsMax: 1, queriesWaitingMax: 0, exportBytesMax: 3 })
    for (const url of [`/v1/datasets/shop/views/by_kind.${extension}`, URL.replace('csv', extension)]) {
      const reply = await shop.app.inject({ method: 'HEAD', url })
      expect(reply.statusCode).toBe(200)
      expect(reply.headers).not.toHaveProperty('content-length')
      expect(reply.headers['content-type']).toMatch(/json|csv|arrow|parquet|sheet/)
      expect(reply.rawPayload).toHaveLength(0)
    }
  },
)
