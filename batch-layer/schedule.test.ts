import { Queue } from 'bullmq'
import { afterAll, beforeAll, describe, expect } from 'vitest'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { batchQueueName } from './bullmq-queue.ts'
import { BullMqSchedule } from './bullmq-schedule.ts'
import { CronSchedule } from './cron-schedule.ts'
import { scheduleContract } from './schedule-contract.ts'

scheduleContract('node-cron', async () => ({
  open: (options) => new CronSchedule(options),
  settle: (schedule) => schedule.wake(),
  close: async () => {},
}))

describe.skipIf(whyNoRedis() !== null)('on a real Redis', () => {
  let server: RedisServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server?.stop())

  scheduleContract('BullMQ', async () => {
    const { hostname, port } = new URL(server.url)
    const queue = new Queue(batchQueueName('d'), {
      connection: { host: hostname, port: Number(port) },
      prefix: 'watershed',
    })
    return {
      open: (options) =>
        new BullMqSchedule({
          ...options,
          url: server.url,
          times: { postponeMs: 50, retryMs: 50, workerSilentMsMax: 1_000 },
        }),
      settle: async (schedule) => {
        await schedule.wake()
        const atWork = () => queue.getJobCountByTypes('wait', 'active', 'prioritized')
        await expect.poll(atWork, { timeout: 20_000, interval: 10 }).toBe(0)
      },
      close: async () => {
        await queue.close()
        await server.flushAll()
      },
    }
  })
})
