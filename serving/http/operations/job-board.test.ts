import { Queue } from 'bullmq'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { JOB_BOARD_PATH, jobBoard } from './job-board.ts'

const KEY = 'an-admin-key-of-32-characters-xx'
const basic = (password: string) => ({ authorization: `Basic ${Buffer.from(`any:${password}`).toString('base64')}` })

test('requires an admin key of sufficient length', () => {
  const options = { url: 'redis://127.0.0.1:1', prefix: 'watershed', queues: [] }
  expect(() => jobBoard({ ...options, adminKey: '' })).toThrow(/at least 16/)
  expect(() => jobBoard({ ...options, adminKey: 'short' })).toThrow(/at least 16/)
})

describe.skipIf(whyNoRedis() !== null)('the job board', () => {
  let server: RedisServer
  let app: FastifyInstance
  let queue: Queue
  beforeAll(async () => {
    server = await startRedis()
    const { hostname, port } = new URL(server.url)
    queue = new Queue('batch-d', { connection: { host: hostname, port: Number(port) }, prefix: 'watershed' })
    await queue.add('full', { dataset: 'd' }, { delay: 3_600_000 })
    app = Fastify()
    await app.register(jobBoard({ adminKey: KEY, url: server.url, prefix: 'watershed', queues: ['batch-d'] }), {
      prefix: JOB_BOARD_PATH,
    })
    app.get('/other', async () => 'other')
  })
  afterAll(async () => {
    await app?.close()
    await queue?.close()
    await server?.stop()
  })

  test.each([
    ['nothing', {}],
    ['a wrong password', basic('wrong')],
    ['a part of the key', basic(KEY.slice(0, -1))],
    ['no scheme', { authorization: KEY }],
    ['a wrong bearer', { authorization: 'Bearer wrong' }],
  ])('refuses a request with %s, for every path', async (_what, headers) => {
    for (const url of ['', '/', '/api/queues', '/static/favicon.ico', '/queue/batch-d']) {
      const answer = await app.inject({ url: JOB_BOARD_PATH + url, headers })
      expect([url, answer.statusCode]).toEqual([url, 401])
      expect(answer.headers['www-authenticate']).toContain('Basic')
      expect(answer.json()).toMatchObject({ type: 'urn:watershed:problem:unauthorized' })
      expect(answer.body).not.toContain('batch-d')
    }
    const clean = { method: 'PUT', url: `${JOB_BOARD_PATH}/api/queues/batch-d/clean/delayed`, headers } as const
    expect((await app.inject(clean)).statusCode).toBe(401)
    expect(await queue.getDelayedCount()).toBe(1)
  })

  test.each([basic(KEY), { authorization: `Bearer ${KEY}` }])(
    'shows the queues to a client with the key',
    async (headers) => {
      const page = await app.inject({ url: `${JOB_BOARD_PATH}/`, headers })
      expect(page.statusCode).toBe(200)
      expect(page.headers['content-type']).toContain('text/html')
      expect(page.headers['content-security-policy']).toMatch(/^default-src 'self'.*frame-ancestors 'none'$/)
      const queues = await app.inject({ url: `${JOB_BOARD_PATH}/api/queues`, headers })
      expect(queues.json()).toMatchObject({ queues: [{ name: 'batch-d', counts: { delayed: 1 } }] })
    },
  )

  test('refuses changes that another site makes with credentials that the browser remembers', async () => {
    const url = `${JOB_BOARD_PATH}/api/queues/batch-d/clean/delayed`
    const foreign = await app.inject({ method: 'PUT', url, headers: { ...basic(KEY), 'sec-fetch-site': 'cross-site' } })
    expect(foreign.statusCode).toBe(401)
    const [job] = await queue.getDelayed()
    const remove = `${JOB_BOARD_PATH}/api/queues/batch-d/${job!.id}/clean`
    const own = await app.inject({
      method: 'PUT',
      url: remove,
      headers: { ...basic(KEY), 'sec-fetch-site': 'same-origin' },
    })
    expect(own.statusCode).toBeLessThan(300)
    expect(await queue.getDelayedCount()).toBe(0)
  })

  test('checks only its own routes', async () => {
    expect((await app.inject('/other')).statusCode).toBe(200)
  })
})
