import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ElasticsearchServer, elasticsearchMissing, startElasticsearch } from './elasticsearch-server.ts'

const missing = await elasticsearchMissing()
/** a server starts in ten seconds, and on a busy machine in minutes */
const SERVER_MS_MAX = 300_000

describe.skipIf(missing !== null)('the real server', () => {
  let server: ElasticsearchServer
  beforeAll(async () => {
    server = await startElasticsearch()
  }, SERVER_MS_MAX)
  afterAll(() => server?.stop())

  const count = async (): Promise<number> => {
    const answer = await fetch(`${server.node}/kept/_count`)
    return ((await answer.json()) as { count: number }).count
  }

  test('keeps what it acknowledged over kill -9, on the same address', async () => {
    const body = '{"index":{}}\n{"a":1}\n'
    const headers = { 'content-type': 'application/x-ndjson' }
    const bulk = await fetch(`${server.node}/kept/_bulk?refresh=true`, { method: 'POST', headers, body })
    expect(await bulk.json()).toMatchObject({ errors: false })
    const before = server.pid
    await server.kill9()
    await expect(fetch(server.node)).rejects.toThrow()
    await server.restart()
    expect(server.pid).not.toBe(before)
    expect(await count()).toBe(1)
  })

  test('answers nothing while it is paused, and goes on afterwards', async () => {
    server.pause()
    await expect(fetch(`${server.node}/kept/_count`, { signal: AbortSignal.timeout(500) })).rejects.toThrow(/timeout/)
    server.resume()
    expect(await count()).toBe(1)
  })
})

test.skipIf(missing !== null)('with security on, only the password opens it', async () => {
  const server = await startElasticsearch({ security: true })
  try {
    expect((await fetch(`${server.node}/_cluster/health`)).status).toBe(401)
    const { username, password } = server.auth!
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    expect((await fetch(`${server.node}/_cluster/health`, { headers: { authorization } })).status).toBe(200)
  } finally {
    await server.stop()
  }
})
