/** The real services that a cluster runs on, shared by the tests of a file; each site has topics, indices and keys of its own. */
import { PERIOD } from '#tests/by-day.ts'
import {
  type ElasticsearchServer,
  elasticsearchMissing,
  startElasticsearch,
} from '#tests/servers/elasticsearch-server.ts'
import { FaultyProxy } from '#tests/servers/faulty-proxy.ts'
import { type KafkaServer, kafkaSkipReason, startKafka } from '#tests/servers/kafka-server.ts'
import { type RedisServer, startRedis, whyNoRedis } from '#tests/servers/redis-server.ts'
import { S3_CREDENTIALS, type S3Server, startS3, whyNoS3 } from '#tests/servers/s3-server.ts'

export interface ClusterServices {
  readonly kafka: KafkaServer
  readonly elasticsearch: ElasticsearchServer
  /** in front of Elasticsearch: what goes through it can be refused or cut */
  readonly proxy: FaultyProxy
  readonly redis: RedisServer
  /** where lakes in buckets are; null: all of them are in the folders of sites */
  readonly s3: S3Server | null
  /** whether the nth site has its lake in a bucket, and its processes share no folder */
  isInBucket(site: number): boolean
  stop(): Promise<void>
}

export const LAKES = 'lakes'

/**
 * Where lakes are: `s3` or `folder` runs all scenarios so; otherwise every second scenario has its lake in a bucket, and the others the next
 * time that it is their turn.
 */
const LAKE = process.env.CLUSTER_TEST_LAKE

/** Why they cannot be started here; null when they can. */
export async function servicesMissing(): Promise<string | null> {
  return (
    (await kafkaSkipReason()) ?? (await elasticsearchMissing()) ?? whyNoRedis() ?? (LAKE === 's3' ? whyNoS3() : null)
  )
}

export async function startServices(): Promise<ClusterServices> {
  const [kafka, elasticsearch, redis, s3] = await Promise.all([
    ...([startKafka(), startElasticsearch(), startRedis()] as const),
    LAKE !== 'folder' && whyNoS3() === null ? startLakes() : null,
  ])
  const proxy = await FaultyProxy.start(elasticsearch.node)
  return {
    kafka,
    elasticsearch,
    proxy,
    redis,
    s3,
    isInBucket: (site) => s3 !== null && (LAKE === 's3' || (site + PERIOD) % 2 === 0),
    stop: async () => {
      await proxy.stop()
      await Promise.all([kafka.stop(), elasticsearch.stop(), redis.stop(), s3?.stop()])
    },
  }
}

/** The roles find the credentials in their environment. */
async function startLakes(): Promise<S3Server> {
  const s3 = await startS3()
  await s3.makeBucket(LAKES)
  process.env.AWS_ACCESS_KEY_ID = S3_CREDENTIALS.accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = S3_CREDENTIALS.secretAccessKey
  return s3
}
