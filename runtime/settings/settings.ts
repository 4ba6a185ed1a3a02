/**
 * Every setting of the platform, with its default and meaning: one table for the configuration file, the environment
 * (WATERSHED_<NAME>) and the flags, for all roles. docs/reference/configuration.md is compared with it by a test.
 */
import { z } from 'zod'
import { ELASTICSEARCH_SETTINGS, KAFKA_SETTINGS, REDIS_SETTINGS } from './cluster-settings.ts'

const count = (min = 1, max = Number.MAX_SAFE_INTEGER): z.ZodNumber => z.number().int().min(min).max(max)

const MIB = 1024 * 1024

export const SETTINGS = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('./watershed-data')
    .describe('folder of the lake, and of the log, speed store and dictionary where those are files'),
  scratch: z
    .string()
    .min(1)
    .optional()
    .describe('folder for files that live no longer than a process, on this machine; default: `scratch` in `data`'),
  datasets: z
    .array(z.string().min(1))
    .min(1)
    .max(64)
    .default(['meetup_rsvps'])
    .describe('datasets to serve: names of shipped ones, or paths of definition files'),
  log: z.enum(['sqlite', 'kafka']).default('sqlite').describe('where the log is: `sqlite` or `kafka`'),
  speedStore: z
    .enum(['sqlite', 'elasticsearch'])
    .default('sqlite')
    .describe('where open partials are: `sqlite` or `elasticsearch`'),
  dictionary: z.enum(['sqlite', 'redis']).default('sqlite').describe('where dictionaries are: `sqlite` or `redis`'),
  schedule: z
    .enum(['node-cron', 'bullmq'])
    .default('node-cron')
    .describe('what wakes batch runs: `node-cron` in the process, or `bullmq` on Redis, for several batch processes'),

  presented: z
    .enum(['none', 'elasticsearch'])
    .default('none')
    .describe(
      "whether `present` keeps indices of answers for Elasticsearch's own users and Kibana: `none` or `elasticsearch`",
    ),
  presentEveryMs: count(100).default(10_000).describe('how long presented indices rest between two rounds'),
  presentWindowsMs: count(60_000)
    .default(2 * 86_400_000)
    .describe('days of presented windows are dropped so long after they end'),
  presentEventsMs: count(60_000)
    .optional()
    .describe('also presents raw events, and drops their days so long after they end; default: no events'),

  host: z.string().min(1).default('127.0.0.1').describe('address to listen on; one that others can reach needs `keys`'),
  port: count(0, 65_535)
    .default(8_787)
    .describe('port to listen on; 0 takes a free one, as `stream` and `batch` do where nothing is set'),
  keys: z
    .array(z.string().min(16))
    .max(64)
    .default([])
    .meta({ secret: true })
    .describe('API keys (at least 16 characters each) that requests must carry as `Authorization: Bearer <key>`'),
  adminKey: z
    .string()
    .min(16)
    .optional()
    .meta({ secret: true })
    .describe(
      'with `schedule: bullmq`: shows the page of batch jobs at /admin/jobs to who has this key; default: no page',
    ),
  partitions: count(1, 256).default(4).describe('partitions of the log of each dataset; fixed when it is made'),

  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('what is logged on stderr: `debug`, `info`, `warn`, `error` or `silent`'),
  logFormat: z
    .enum(['auto', 'readable', 'json'])
    .default('auto')
    .describe('`json`: one object per line; `readable`: lines for people; `auto`: readable on a terminal, else JSON'),

  demo: z.boolean().optional().describe('generate the RSVP demo stream; default: only when `datasets` is not set'),
  demoEventsPerSecond: count(1, 50_000).default(50).describe('rate of the demo stream'),
  demoSeed: count(0, 2 ** 32 - 1)
    .default(1)
    .describe('seed of the demo stream'),

  requestBytesMax: count(1_024, 1_024 * MIB)
    .default(16 * MIB)
    .describe('largest request body'),
  requestRowsMax: count().default(50_000).describe('rows in one request'),
  recordBytesMax: count(64, 64 * MIB)
    .default(MIB)
    .describe('largest single event'),
  inFlightBytesMax: count(1_024)
    .default(64 * MIB)
    .describe(
      'bytes of events of one dataset accepted but not yet durable, all requests together; above it requests get 429',
    ),
  queryMsMax: count(10).default(10_000).describe('a query that takes longer is stopped'),
  queriesMax: count(1, 64).default(4).describe('queries that run at the same time'),
  queriesWaitingMax: count(0).default(64).describe('queries that wait for their turn; above it requests get 429'),

  microBatchRecordsMax: count().default(25_000).describe('events that the stream role reads from the log at once'),
  microBatchBytesMax: count(MIB)
    .default(48 * MIB)
    .describe('bytes that the stream role reads from the log at once'),
  segmentRecordsMax: count().default(100_000).describe('a segment closes at this many events'),
  segmentBytesMax: count(1_024)
    .default(256 * MIB)
    .describe('a segment closes at this many bytes'),
  segmentAgeMsMax: count(10).default(60_000).describe('a segment closes at this age'),
  flushEveryMs: count(10).default(700).describe('how often new partials go to the speed store'),
  pollEveryMs: count(1).default(25).describe('how long the stream role waits when the log has nothing new'),
  readerGraceMs: count(100)
    .default(60_000)
    .describe('partials of closed segments stay this long for readers that began before'),
  lakeGraceMs: count(0)
    .default(600_000)
    .describe('files in the lake that nothing needs any more stay this long for readers that began before'),
  logRetentionMs: count(0)
    .default(3_600_000)
    .describe('the log keeps events this long after they are in a closed segment'),

  batchIncrementalCron: z
    .string()
    .default('*/5 * * * *')
    .describe('when a new generation is made from the one before (cron, UTC)'),
  batchFullCron: z.string().default('0 2 * * *').describe('when everything is recomputed from raw events (cron, UTC)'),
  keepGenerations: count(2, 1_000).default(5).describe('generations kept for rollback'),
  verifyAfterFull: z.boolean().default(true).describe('recount everything and compare after each full run'),
  dictionarySources: z
    .record(z.string().min(1), z.string().regex(/^https?:\/\/.*\{key\}/, 'an http or https URL with {key} in it'))
    .default({})
    .meta({ secret: 'url' })
    .describe(
      'where batch processes fetch keys that a dictionary lacks: dictionary to URL with `{key}` in it, answered with a JSON object of attributes',
    ),

  serveThreads: count(1, 64).default(2).describe('threads of the engine that answers queries'),
  serveMemoryMb: count(64).default(1_024).describe('memory of the engine that answers queries'),
  streamThreads: count(1, 64).default(1).describe('threads of the engine of the stream role'),
  streamMemoryMb: count(64).default(1_024).describe('memory of the engine of the stream role'),
  presentThreads: count(1, 64).default(1).describe('threads of the engine of presented indices'),
  presentMemoryMb: count(64).default(768).describe('memory of the engine of presented indices'),
  batchThreads: count(1, 64).default(1).describe('threads of the engine of the batch role'),
  batchMemoryMb: count(64).default(768).describe('memory of the engine of the batch role'),

  kafka: KAFKA_SETTINGS.prefault({}),
  elasticsearch: ELASTICSEARCH_SETTINGS.prefault({}),
  redis: REDIS_SETTINGS.prefault({}),
})

export type Configuration = Readonly<z.output<typeof SETTINGS>>
