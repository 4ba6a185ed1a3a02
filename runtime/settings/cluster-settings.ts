/** Settings of the services of a cluster. They are used only if a driver for the service is chosen. */
import { z } from 'zod'

const text = (): z.ZodString => z.string().min(1)
const count = (min: number, max = Number.MAX_SAFE_INTEGER): z.ZodNumber => z.number().int().min(min).max(max)
const hostAndPort = (pattern: RegExp): z.ZodString => z.string().regex(pattern, ADDRESS).refine(URL.canParse, ADDRESS)
const ADDRESS = 'must be http(s)://host:port'

/** Never printed. */
const secret = (): z.ZodString => text().meta({ secret: true })

export const KAFKA_SETTINGS = z.strictObject({
  brokers: z.array(text()).min(1).max(64).default(['127.0.0.1:9092']).describe('bootstrap brokers, each host:port'),
  clientId: text().default('watershed').describe("client id in the brokers' logs and quotas"),
  topicPrefix: z.string().max(100).default('').describe("prefix of a dataset's topic; the rest is the dataset's name"),
  topics: z
    .record(text(), text())
    .default({})
    .describe('topics with other names: dataset to topic; in the environment `dataset=topic,dataset=topic`'),
  createTopics: z.boolean().default(true).describe('create a missing topic, with `partitions` partitions'),
  replication: count(1, 100).optional().describe("replication factor of a created topic; default: the broker's"),
  retentionMs: count(1).optional().describe("retention of a created topic; default: the broker's (7 days)"),
  groupPrefix: text()
    .default('watershed-')
    .describe("prefix of the consumer group in which stream workers share partitions; the rest is the dataset's name"),
  sessionMsMax: count(500)
    .default(10_000)
    .describe('session timeout after which a silent stream worker loses its partitions; the broker limits its range'),
  format: z
    .enum(['json', 'confluent'])
    .default('json')
    .describe('`json`, or `confluent`: records framed with a schema id of `kafka.registryUrl`'),
  registryUrl: text()
    .optional()
    .meta({ secret: 'url' })
    .describe('schema registry for the format `confluent`: http(s)://host:port'),
  registryUsername: text().optional().describe('user for the registry'),
  registryPassword: secret().optional().describe('password of that user'),
  trim: z
    .enum(['broker', 'delete-records'])
    .default('broker')
    .describe(
      "`broker`: only Kafka's own retention removes records; `delete-records`: `logRetentionMs` removes them, too",
    ),
  compression: z
    .enum(['none', 'gzip', 'zstd'])
    .default('gzip')
    .describe(
      '`gzip`, which every Kafka consumer reads; `zstd`, with less CPU time, which some need a package for; or `none`',
    ),
  ssl: z
    .boolean()
    .default(false)
    .describe("use TLS, with the system's CA certificates; `NODE_EXTRA_CA_CERTS` names a file with more"),
  saslMechanism: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
    .optional()
    .describe('SASL mechanism: `plain`, `scram-sha-256` or `scram-sha-512`'),
  saslUsername: text().optional().describe('SASL user'),
  saslPassword: secret().optional().describe('password of that user'),
  outageMsMax: count(1_000)
    .default(30_000)
    .describe('how long a request waits for unavailable brokers before it fails'),
})

export const ELASTICSEARCH_SETTINGS = z.strictObject({
  node: text().meta({ secret: 'url' }).default('http://127.0.0.1:9200').describe('URL of the cluster'),
  apiKey: secret().optional().describe('API key; or `username` and `password`'),
  username: text().optional().describe('user for basic authentication'),
  password: secret().optional().describe('password of that user'),
  indexPrefix: text()
    .default('watershed')
    .describe('name prefix of internal indices; presented ones are `<dataset>-<view>`'),
  replicas: count(0, 10).optional().describe("replicas of each index; default: the driver's"),
  outageMsMax: count(1_000)
    .default(60_000)
    .describe('how long a request waits for an unavailable or busy server before it fails'),
})

export const REDIS_SETTINGS = z.strictObject({
  url: text()
    .meta({ secret: 'url' })
    .default('redis://127.0.0.1:6379')
    .describe('redis://[[user]:password@]host[:port][/database]; rediss:// for TLS'),
  keyPrefix: text().default('watershed:').describe('prefix of every key'),
})

export const S3_SETTINGS = z.strictObject({
  endpoint: hostAndPort(/^https?:\/\/[^/@]+\/?$/)
    .optional()
    .meta({ secret: 'url' })
    .describe('address of another S3 server than AWS: http(s)://host:port'),
  region: text().optional().describe('region of the bucket; default: `AWS_REGION`, or `us-east-1`'),
  pathStyle: z
    .boolean()
    .optional()
    .describe('the bucket is in the path of requests, not in the host name; default: true with `s3.endpoint`'),
  lockMs: count(1_000, 3_600_000)
    .default(30_000)
    .describe('how long a lock outlives a process that died; living ones renew it'),
})

export const TRINO_SETTINGS = z.strictObject({
  url: hostAndPort(/^https?:\/\/[^/]+\/?$/)
    .meta({ secret: 'url' })
    .default('http://127.0.0.1:8080')
    .describe('address of the coordinator'),
  user: text()
    .regex(/^[\x20-\x7e]+$/, 'must consist of printable ASCII characters, because it is sent in a header')
    .optional()
    .describe('user whose statements they are; default: that of `trino.url`, or `watershed`'),
  password: secret().optional().describe('password of that user; Trino takes it only over https'),
  token: secret().optional().describe('JWT or OAuth 2.0 token instead of a password'),
  catalog: text()
    .default('delta')
    .describe('catalog with the connector `delta_lake` and `delta.register-table-procedure.enabled=true`'),
  schema: z
    .string()
    .regex(/^[a-z][a-z0-9_]*$/, 'must consist of lower-case letters, digits and _')
    .default('watershed')
    .describe('schema in which runs register their tables; is created if it does not exist'),
  lakeUri: z
    .string()
    .regex(/^[a-z][a-z0-9]*:\/\/[^?#]*$/, 'must be a URI, for example s3://<bucket>/<prefix>')
    .optional()
    .describe(
      'where Trino finds the lake, for example `local:///` where `local.location` of the catalog is the lake folder; default: the setting `lake`',
    ),
  outageMsMax: count(1_000)
    .default(60_000)
    .describe('how long a request waits for an unavailable or busy coordinator before the run fails'),
})
