/** The roles apart on real servers: log on Kafka, speed store on Elasticsearch, dictionary and schedule on Redis. */
import { describe } from 'vitest'
import { elasticsearchMissing, startElasticsearch } from '#tests/servers/elasticsearch-server.ts'
import { kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { rolesApartContract } from './roles-apart-contract.ts'

const missing = (await kafkaSkipReason()) ?? (await elasticsearchMissing()) ?? whyNoRedis()

describe.skipIf(missing !== null)('cluster', () => {
  rolesApartContract('Kafka, Elasticsearch and Redis', async () => {
    const [kafka, elasticsearch, redis] = await Promise.all([startKafka(), startElasticsearch(), startRedis()])
    return {
      settings: {
        log: 'kafka',
        speedStore: 'elasticsearch',
        dictionary: 'redis',
        schedule: 'bullmq',
        kafka: { brokers: kafka.brokers, sessionMsMax: 2_000 },
        elasticsearch: { node: elasticsearch.node, replicas: 0 },
        redis: { url: redis.url },
      },
      stop: async () => {
        await Promise.all([kafka.stop(), elasticsearch.stop(), redis.stop()])
      },
    }
  })
})
