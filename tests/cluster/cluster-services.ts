/** The real services that a cluster runs on, shared by the tests of a file; each site has topics, indices and keys of its own. */
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'

export interface ClusterServices {
  readonly kafka: KafkaServer
  readonly elasticsearch: ElasticsearchServer
  /** in front of Elasticsearch: what goes through it can be refused or cut */
  readonly proxy: FaultyProxy
  readonly redis: RedisServer
  stop(): Promise<void>
}

/** Why they can not be started here; null when they can. */
export async function servicesMissing(): Promise<string | null> {
  return (await kafkaSkipReason()) ?? (await elasticsearchMissing()) ?? whyNoRedis()
}

export async function startServices(): Promise<ClusterServices> {
  const [kafka, elasticsearch, redis] = await Promise.all([startKafka(), startElasticsearch(), startRedis()])
  const proxy = await FaultyProxy.start(elasticsearch.node)
  return {
    kafka,
    elasticsearch,
    proxy,
    redis,
    stop: async () => {
      await proxy.stop()
      await Promise.all([kafka.stop(), elasticsearch.stop(), redis.stop()])
    },
  }
}
