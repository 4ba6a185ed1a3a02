/** Settings of the services that a cluster runs on. Read only where a driver of theirs is chosen. */
import { z } from 'zod'

const text = (): z.ZodString => z.string().min(1)
const count = (min: number, max = Number.MAX_SAFE_INTEGER): z.ZodNumber => z.number().int().min(min).max(max)

/** Never printed. */
const secret = (): z.ZodString => text().meta({ secret: true })

export const KAFKA_SETTINGS = z.strictObject({
  brokers: z
    .array(text())
    .min(1)
    .max(64)
    .default(['127.0.0.1:9092'])
    .describe('some brokers, each host:port; the others are found through them'),
  clientId: text().default('watershed').describe("our name in the brokers' logs and quotas"),
  topicPrefix: z.string().max(100).default('').describe("a dataset's topic is this and the dataset's name"),
  topics: z
    .record(text(), text())
    .default({})
    .describe('topics with names of their own: dataset to topic; in the environment `dataset=topic,dataset=topic`'),
  createTopics: z.boolean().default(true).describe('make a topic that is missing, with `partitions` partitions'),
  replication: count(1, 100)
    .optional()
    .describe("copies of each partition of a topic made here; default: the broker's"),
  retentionMs: count(1)
    .optional()
    .describe("how long Kafka keeps records of a topic made here; default: the broker's (7 days)"),
  groupPrefix: text()
    .default('watershed-')
    .describe('stream workers share the partitions in the group of this and the name of the dataset'),
  sessionMsMax: count(500)
    .default(10_000)
    .describe('a stream worker that is silent for so long has lost its partitions; the broker has bounds of its own'),
  format: z
    .enum(['json', 'confluent'])
    .default('json')
    .describe('`json`, or `confluent`: records framed with the id of a schema in `kafka.registryUrl`'),
  registryUrl: text()
    .optional()
    .meta({ secret: 'url' })
    .describe('schema registry for the format `confluent`: http(s)://host:port'),
  registryUsername: text().optional().describe('user to log in to the registry as'),
  registryPassword: secret().optional().describe('password of that user'),
  trim: z
    .enum(['broker', 'delete-records'])
    .default('broker')
    .describe("`broker`: only Kafka's own retention removes records; `delete-records`: `logRetentionMs` does, too"),
  compression: z.enum(['none', 'gzip', 'zstd']).default('zstd').describe('`none`, `gzip` or `zstd`'),
  ssl: z
    .boolean()
    .default(false)
    .describe("talk TLS, with the system's certificates; `NODE_EXTRA_CA_CERTS` names a file with more"),
  saslMechanism: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
    .optional()
    .describe('log in: `plain`, `scram-sha-256` or `scram-sha-512`'),
  saslUsername: text().optional().describe('user to log in as'),
  saslPassword: secret().optional().describe('password of that user'),
  outageMsMax: count(1_000).default(30_000).describe('how long one request waits for brokers that are away'),
})

export const ELASTICSEARCH_SETTINGS = z.strictObject({
  node: text().meta({ secret: 'url' }).default('http://127.0.0.1:9200').describe('address of the cluster'),
  apiKey: secret().optional().describe('API key; or `username` and `password`'),
  username: text().optional().describe('user to log in as'),
  password: secret().optional().describe('password of that user'),
  indexPrefix: text()
    .default('watershed')
    .describe('begins the name of every index that is not for people: presented ones are `<dataset>-<view>`'),
  replicas: count(0, 10).optional().describe("copies of each index; default: the driver's"),
  outageMsMax: count(1_000).default(60_000).describe('how long one request waits for a server that is away or busy'),
})

export const REDIS_SETTINGS = z.strictObject({
  url: text()
    .meta({ secret: 'url' })
    .default('redis://127.0.0.1:6379')
    .describe('redis://[[user]:password@]host[:port][/database]; rediss:// for TLS'),
  keyPrefix: text().default('watershed:').describe('begins every key'),
})
