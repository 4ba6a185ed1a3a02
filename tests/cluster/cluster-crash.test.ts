/**
 * Crash rounds of a whole platform in one process on real servers: log on Kafka, speed store on Elasticsearch, dictionaries and
 * schedule on Redis. It is killed where the batch layer publishes, and Redis is emptied and killed under it. After each: every
 * acknowledged event is in the log once, the answers are the recount, and verify is equal.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StepName } from '#core/steps.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { CrashSite } from '../crash/crash-site.ts'
import { EventClient } from '../crash/event-client.ts'
import { until } from '../until.ts'

const missing = (await kafkaSkipReason()) ?? (await elasticsearchMissing()) ?? whyNoRedis()
const SESSION_MS = 2_000
const ROUND_MS_MAX = 180_000
/** where the two layers meet: what was flushed, closed or published must not be counted twice, nor be lost */
const DEATHS: readonly [step: StepName, nth: number][] = [
  ['flush:written', 15],
  ['generation:published', 2],
  ['generation:before-current', 2],
]

describe.skipIf(missing !== null)('a platform on Kafka, Elasticsearch and Redis', () => {
  let kafka: KafkaServer
  let elasticsearch: ElasticsearchServer
  let redis: RedisServer
  let site: CrashSite
  const client = new EventClient(7)
  let counted = 0

  beforeAll(async () => {
    ;[kafka, elasticsearch, redis] = await Promise.all([startKafka(), startElasticsearch(), startRedis()])
    site = await CrashSite.make({
      log: 'kafka',
      speedStore: 'elasticsearch',
      dictionary: 'redis',
      schedule: 'bullmq',
      flushEveryMs: 200,
      kafka: { brokers: kafka.brokers, sessionMsMax: SESSION_MS, outageMsMax: 60_000 },
      elasticsearch: { node: elasticsearch.node, replicas: 0 },
      redis: { url: redis.url },
    })
  }, 120_000)
  afterAll(async () => {
    await site?.remove()
    await Promise.all([kafka?.stop(), elasticsearch?.stop(), redis?.stop()])
  })

  /** All of it right, and nothing gone. */
  async function check(): Promise<void> {
    const now = await site.check(client, 'kill')
    expect(now).toBeGreaterThanOrEqual(counted)
    counted = now
  }

  test.each(DEATHS)(
    'killed at %s:%i',
    async (step, nth) => {
      await site.crash({ kind: 'step', step, nth }, client)
      await check()
    },
    ROUND_MS_MAX,
  )

  test(
    'Redis emptied, killed and started again while generations are made',
    async () => {
      await site.survive(client, async () => {
        await acknowledgedMore(200)
        await redis.flushAll()
        await acknowledgedMore(200)
        await redis.kill9()
        await acknowledgedMore(200)
        await redis.restart()
        await acknowledgedMore(200)
      })
      await check()
    },
    ROUND_MS_MAX,
  )

  test('they were rounds with events in them', () => {
    expect(counted).toBeGreaterThan(800)
  })

  async function acknowledgedMore(events: number): Promise<void> {
    const wanted = client.acknowledged.length + events
    const said = (): string => `${wanted - client.acknowledged.length} of them are not`
    const enough = (): boolean => client.acknowledged.length >= wanted
    await until(`${events} more events are acknowledged`, enough, { withinMs: 90_000, said })
  }
})
