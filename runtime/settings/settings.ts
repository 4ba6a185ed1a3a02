/**
 * Every setting of the platform, with its default and meaning: one table for the configuration file, the environment
 * (WATERSHED_<NAME>) and the flags, for all roles. A test compares it with docs/reference/configuration.md.
 */
import { z } from 'zod'
import { assertPattern } from '#batch-layer/due-time.ts'
import {
  ELASTICSEARCH_SETTINGS,
  KAFKA_SETTINGS,
  REDIS_SETTINGS,
  S3_SETTINGS,
  TRINO_SETTINGS,
} from './cluster-settings.ts'

const count = (min = 1, max = Number.MAX_SAFE_INTEGER): z.ZodNumber => z.number().int().min(min).max(max)

/** Characters that every client can send in a header field (RFC 9110, 5.5). */
const headerKey = (): z.ZodString =>
  z
    .string()
    .min(16)
    .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII: other characters cannot be sent in a header by all clients')

const MIB = 1024 * 1024

/** a schedule that is never due */
export const NEVER = 'never'

/** @returns the cron pattern; null: never */
export function patternOf(schedule: string): string | null {
  return schedule === NEVER ? null : schedule
}

const SCHEDULE = "a cron pattern in UTC, for example '0 2 * * *' for 02:00, or 'never'"

function isSchedule(text: string): boolean {
  try {
    if (text !== NEVER) assertPattern(text, 'schedule')
    return true
  } catch {
    return false
  }
}

export const SETTINGS = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('./watershed-data')
    .describe('folder of the lake, and of the log, speed store and dictionaries if they are embedded'),
  lake: z
    .string()
    .regex(/^s3:\/\/./, 'must be s3://<bucket>/<prefix>; leave it out for a lake in the folder `data`')
    .optional()
    .describe('`s3://<bucket>/<prefix>`: where the lake is in an object store; default: the folder `lake` in `data`'),
  lakeCache: z
    .string()
    .min(1)
    .optional()
    .describe('local folder of objects of a lake on S3 that are in use; default: `lake-cache` in `data`'),
  lakeCacheBytesMax: count(MIB)
    .default(20 * 1024 * MIB)
    .describe(
      'maximum size of that folder; it must hold what one query or batch run reads, and a full run reads everything',
    ),
  scratch: z.string().min(1).optional().describe('local folder for temporary files; default: `scratch` in `data`'),
  datasets: z
    .array(z.string().min(1))
    .min(1)
    .max(64)
    .default(['meetup_rsvps'])
    .describe('datasets to serve: names of shipped ones, or paths of definition files'),
  log: z.enum(['sqlite', 'kafka']).default('sqlite').describe('driver of the log: `sqlite` or `kafka`'),
  speedStore: z
    .enum(['sqlite', 'elasticsearch'])
    .default('sqlite')
    .describe('driver of the speed store (open partials): `sqlite` or `elasticsearch`'),
  dictionary: z.enum(['sqlite', 'redis']).default('sqlite').describe('driver of the dictionaries: `sqlite` or `redis`'),
  schedule: z
    .enum(['node-cron', 'bullmq'])
    .default('node-cron')
    .describe(
      'what triggers batch runs: `node-cron` in the process, or `bullmq` on Redis, for several batch processes',
    ),

  presented: z
    .enum(['none', 'elasticsearch'])
    .default('none')
    .describe(
      'where `present` maintains indices of answers for Kibana and other Elasticsearch users: `none` or `elasticsearch`',
    ),
  presentEveryMs: count(100).default(10_000).describe('pause between two updates of presented indices'),
  presentWindowsMs: count(60_000)
    .default(2 * 86_400_000)
    .describe('days of presented windows are dropped this long after they end'),
  presentEventsMs: count(60_000)
    .optional()
    .describe('also presents raw events, and drops their days this long after they end; default: no events'),

  host: z.string().min(1).default('127.0.0.1').describe('address to listen on; a non-loopback address requires `keys`'),
  port: count(0, 65_535)
    .default(8_787)
    .describe('port to listen on; 0 selects a free one, which is the default of `stream`, `batch` and `present`'),
  keys: z
    .array(headerKey())
    .max(64)
    .default([])
    .meta({ secret: true })
    .describe(
      'API keys (at least 16 characters each, printable ASCII) that requests must carry as `Authorization: Bearer <key>`',
    ),
  webhookSecrets: z
    .record(
      z.string().min(1),
      z
        .string()
        .regex(/^\S{16,}( \S{16,}){0,3}$/, 'one to four secrets of at least 16 characters each, separated by spaces')
        .regex(
          /^(?:(?!whsec_)\S+|whsec_[A-Za-z0-9+/]{22,}={0,2})(?: (?:(?!whsec_)\S+|whsec_[A-Za-z0-9+/]{22,}={0,2}))*$/,
          'behind whsec_ there must be at least 16 bytes in base64',
        ),
    )
    .default({})
    .meta({ secret: true })
    .describe(
      'secrets that sign webhooks: dataset to secret, or to several (the new and the old one) separated by spaces; `whsec_…` is one of Standard Webhooks, any other one of `X-Hub-Signature-256`',
    ),
  tlsCert: z
    .string()
    .min(1)
    .optional()
    .describe(
      'file with the certificate (PEM, followed by intermediate ones) with which the listener speaks TLS; default: no TLS',
    ),
  tlsKey: z.string().min(1).optional().describe('file with the private key of that certificate (PEM, unencrypted)'),
  plaintextCredentials: z
    .boolean()
    .default(false)
    .describe(
      'allows credentials to be sent unencrypted to services on other machines (`http://`, `redis://`, Kafka without `kafka.ssl`)',
    ),
  adminKey: headerKey()
    .optional()
    .meta({ secret: true })
    .describe(
      'key that operations over HTTP (jobs, rollback, sources, dead letters) must carry in place of an API key; with `schedule: bullmq` also enables the page of batch jobs at /admin/jobs. Default: with `keys`, no operations over HTTP; without, operations from this machine need no key',
    ),
  sessionMs: count(60_000)
    .default(12 * 3_600_000)
    .describe('how long somebody who signed in to the page with a key stays signed in'),
  sessionsMax: count(1, 100_000)
    .default(1_000)
    .describe(
      'maximum number of people who are signed in; beyond it the one whose session ends first must sign in again',
    ),
  partitions: count(1, 256).default(4).describe("partitions of each dataset's log; fixed when the log is created"),

  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('lowest level that is logged on stderr: `debug`, `info`, `warn`, `error` or `silent`'),
  logFormat: z
    .enum(['auto', 'readable', 'json'])
    .default('auto')
    .describe(
      '`json`: one object per line; `readable`: human-readable lines; `auto`: readable on a terminal, otherwise JSON',
    ),

  sources: z
    .boolean()
    .default(true)
    .describe('read the [sources](sources.md) that definitions declare, in processes that take events'),
  sinks: z
    .boolean()
    .default(true)
    .describe('deliver to the [sinks](sinks.md) that definitions declare, in processes that answer queries'),
  sourceUrls: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*\/[a-z][a-z0-9_]*$/, 'a name such as dataset/source'), z.string().min(1))
    .default({})
    .meta({ secret: 'url' })
    .describe('addresses of sources, instead of those in their definitions: `dataset/source` to URL'),

  demo: z
    .boolean()
    .optional()
    .describe(
      'generate a demo stream for each shipped dataset that is loaded; default: only when `datasets` is not set, or when every `--dataset` names a shipped one',
    ),
  demoEventsPerSecond: count(1, 50_000).default(50).describe('rate of each demo stream'),
  demoSeed: count(0, 2 ** 32 - 1)
    .default(1)
    .describe('seed of the demo streams'),

  requestBytesMax: count(1_024, 1_024 * MIB)
    .default(16 * MIB)
    .describe('maximum size of a request body, compressed and decompressed'),
  webhookBytesMax: count(1_024, 64 * MIB)
    .default(MIB)
    .describe('maximum size of a webhook, compressed and decompressed; 16 times as much of them is received at a time'),
  requestMsMax: count(100, 3_600_000)
    .default(60_000)
    .describe('time in which a request must arrive completely, headers and body; beyond it it gets 408'),
  headerBytesMax: count(1_024, MIB)
    .default(16 * 1024)
    .describe('maximum size of the request line and the headers together; beyond it requests get 431'),
  connectionsMax: count(1, 65_535)
    .default(1_000)
    .describe('maximum number of open HTTP connections; beyond it new ones are closed at once'),
  requestRowsMax: count().default(50_000).describe('maximum number of events in one request'),
  recordBytesMax: count(64, 64 * MIB)
    .default(MIB)
    .describe('maximum size of one event'),
  inFlightBytesMax: count(1_024)
    .default(64 * MIB)
    .describe(
      'maximum bytes of events of one dataset that were received but are not yet durable, over all requests, unfinished bodies included; beyond it requests get 429',
    ),
  idempotencyKeepMs: count(1_000, 7 * 86_400_000)
    .default(3_600_000)
    .describe('how long a request to ingest events can be repeated under its `Idempotency-Key` without counting twice'),
  idempotencyKeysMax: count(8)
    .default(100_000)
    .describe(
      'maximum number of such keys per dataset within that time; beyond it requests with new keys get 429 (on Kafka, of each eighth of the keys)',
    ),
  queryMsMax: count(10).default(10_000).describe('time limit of a query, waiting for its turn included'),
  waitMsMax: count(1, 600_000)
    .default(10_000)
    .describe('how long a query waits until its answer counts the position given as `atLeast`; beyond it it gets 504'),
  queriesMax: count(1, 64).default(4).describe('maximum number of concurrent queries'),
  queriesPerClientMax: count(1, 64)
    .default(3)
    .describe('maximum number of concurrent queries of one client: of one API key, or without keys of one address'),
  answerBytesMax: count(1_024)
    .default(16 * MIB)
    .describe('maximum size of the rows of an answer, or of a list of dead letters; beyond it requests get 413'),
  queriesWaitingMax: count(0).default(64).describe('maximum number of waiting queries; beyond it requests get 429'),
  liveReadersMax: count(0, 65_535)
    .default(800)
    .describe('maximum number of open [live streams](live.md); beyond it requests get 429'),
  liveReadersPerClientMax: count(0, 65_535)
    .default(200)
    .describe('maximum number of live streams of one client: of one API key, or without keys of one address'),
  liveQueriesMax: count(0, 10_000)
    .default(100)
    .describe('maximum number of different queries that live streams follow'),

  exportsMax: count(1, 64)
    .default(2)
    .describe(
      'maximum number of exports (`limit=all`) that are computed and written at a time, of one client at most one less if there are several; four times as many files can be on their way to clients, at most `exportsMax` to one client',
    ),
  exportMsMax: count(100)
    .default(600_000)
    .describe('time limit of an export until all of its rows are written, waiting for its turn included'),
  exportBytesMax: count(1_024)
    .default(4_096 * MIB)
    .describe(
      'maximum size of an export, whose rows are written to a temporary file in `scratch` before they are sent',
    ),

  exportStalledMsMax: count(100)
    .default(60_000)
    .describe('a client that takes nothing of its export for so long is disconnected'),
  exportSendMsMax: count(100)
    .default(3_600_000)
    .describe('a client that has not taken all of its export after so long is disconnected'),
  exportMemoryMb: count(64)
    .default(128)
    .describe('memory of the query engine of one export in MB; what does not fit is spilled, up to `spillMb` each'),
  exportThreads: count(1, 64).default(1).describe('threads of the query engine of one export'),

  microBatchRecordsMax: count().default(25_000).describe('maximum number of events in one read of the stream role'),
  microBatchBytesMax: count(MIB)
    .default(48 * MIB)
    .describe('maximum number of bytes in one read of the stream role'),
  segmentRecordsMax: count().default(100_000).describe('a segment closes at this many events'),
  segmentBytesMax: count(1_024)
    .default(256 * MIB)
    .describe('a segment closes at this many bytes'),
  segmentAgeMsMax: count(10)
    .default(60_000)
    .describe(
      'a segment closes at this age; with the lake in a bucket up to a quarter earlier, so that those of several partitions share files',
    ),
  openBytesMax: count(MIB)
    .default(768 * MIB)
    .describe(
      'maximum bytes of events that the stream role holds at a time, over all partitions: in reads and in open segments, of which the largest closes',
    ),
  flushEveryMs: count(10).default(700).describe('how often new partials are written to the speed store'),
  pollEveryMs: count(1)
    .default(25)
    .describe(
      'how long the stream role waits at first if the log has no new events; while nothing comes, up to 250 ms',
    ),
  readerGraceMs: count(100)
    .default(60_000)
    .describe('how long partials of closed segments are kept for running readers'),
  lakeGraceMs: count(0)
    .default(600_000)
    .describe('how long unreferenced files in the lake are kept for running readers'),
  logRetentionMs: count(0).default(3_600_000).describe('how long the log keeps events after their segment has closed'),

  batchIncrementalCron: z
    .string()
    .default('*/5 * * * *')
    .describe('schedule of incremental runs, which build on the previous generation (cron, UTC)'),
  batchFullCron: z
    .string()
    .refine(isSchedule, SCHEDULE)
    .default('0 2 * * *')
    .describe('schedule of full runs, which recompute everything from raw events (cron, UTC), or `never`'),
  batchEngine: z
    .enum(['duckdb', 'trino'])
    .default('duckdb')
    .describe(
      'what recounts views from raw events, in full runs and backfills: `duckdb` in this process, or [`trino`](../cluster.md#recounts-on-trino); incremental runs are always made by DuckDB',
    ),
  recountGroupRows: count(1_000)
    .default(5_000_000)
    .describe(
      'a recount of more events is made in groups of about so many; with `schedule: bullmq`, every process with the batch role computes groups',
    ),
  keepGenerations: count(2, 1_000).default(5).describe('number of generations kept for rollback'),
  verifyAfterFull: z.boolean().default(true).describe('run `verify` after each full run'),
  proofCron: z
    .string()
    .refine(isSchedule, SCHEDULE)
    .default(NEVER)
    .describe(
      'schedule of the proof in slices, which recounts a part of history each time (cron, UTC, and up to an hour later, by dataset), or `never`',
    ),
  proofNights: count(1, 366).default(14).describe('number of slices after which all of history has been proved'),
  dictionarySources: z
    .record(
      z.string().min(1),
      z.string().regex(/^https?:\/\/.*\{key\}/, 'an http or https URL with the placeholder {key}'),
    )
    .default({})
    .meta({ secret: 'url' })
    .describe(
      'sources of keys missing from a dictionary: dictionary to URL with the placeholder `{key}`, which returns a JSON object of attributes',
    ),

  serveThreads: count(1, 64)
    .optional()
    .describe('threads of the query engine that one query may use; default: half of the processors'),
  serveMemoryMb: count(64)
    .default(1_024)
    .describe('memory of the query engine in MB; with it grows how many large files of generations are kept in memory'),
  streamThreads: count(1, 64).default(1).describe('threads of the engine of the stream role'),
  streamMemoryMb: count(64).default(1_024).describe('memory of the engine of the stream role in MB'),
  presentThreads: count(1, 64).default(1).describe('threads of the engine of presented indices'),
  presentMemoryMb: count(64).default(768).describe('memory of the engine of presented indices in MB'),
  batchThreads: count(1, 64).default(1).describe('threads of the engine of the batch role'),
  batchMemoryMb: count(64).default(768).describe('memory of the engine of the batch role in MB'),
  spillMb: count(64)
    .default(8_192)
    .describe('disk space in MB that the engine of each role may use in `scratch` for what does not fit in its memory'),

  kafka: KAFKA_SETTINGS.prefault({}),
  elasticsearch: ELASTICSEARCH_SETTINGS.prefault({}),
  redis: REDIS_SETTINGS.prefault({}),
  s3: S3_SETTINGS.prefault({}),
  trino: TRINO_SETTINGS.prefault({}),
})

export type Configuration = Readonly<z.output<typeof SETTINGS>>
