/** What the store makes of answers that a real server gives only when one before was lost, or late. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { ElasticsearchSpeedStore } from './elasticsearch-speed-store.ts'

type Answer = (path: string, method: string) => object | null

let server: Server
let store: ElasticsearchSpeedStore
afterEach(async () => {
  await store.close()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

/** @param answer null: none ever */
async function open(answer: Answer): Promise<void> {
  server = createServer((request, response) => {
    const path = request.url!.split('?')[0]!
    const body = path === '/' ? { version: { number: '9.4.1' } } : answer(path, request.method!)
    if (body === null) return
    response.writeHead(200, { 'content-type': 'application/json', 'x-elastic-product': 'Elasticsearch' })
    request.resume().on('end', () => response.end(JSON.stringify(body)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const node = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  store = await ElasticsearchSpeedStore.open({
    node,
    dataset: 'd',
    log: 'l',
    retry: { retryMsMax: 200, waitMsFirst: 5 },
  })
}

test('deleting rows that are gone already counts: more may be left', async () => {
  await open((path) => {
    if (path.startsWith('/_alias/')) return { 'watershed-index': {} }
    if (path.endsWith('/_search')) return { hits: { hits: [{ _id: 'a' }, { _id: 'b' }] } }
    if (path.endsWith('/_bulk'))
      return { errors: false, items: [{ delete: { status: 404 } }, { delete: { status: 404 } }] }
    return {}
  })
  expect(await store.deleteClosed(0, 10, 2)).toBe(2)
})

test('an answer does not wait until its search is closed', async () => {
  await open((path, method) => {
    if (method === 'DELETE') return null
    return path.endsWith('/_pit') ? { id: 'p' } : { hits: { hits: [] } }
  })
  expect(await store.markers()).toEqual(new Map())
}, 10_000)
