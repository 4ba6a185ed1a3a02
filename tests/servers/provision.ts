/**
 * Makes sure that the real servers of the tests can be started here: node tests/servers/provision.ts. Fetches what is missing, keeps it
 * for the next time, and is quick when everything is there. Ends with 1 and says what is missing when a server cannot be had.
 */
import { runsToday } from '../files-by-day.ts'
import { chromiumVersion } from './chromium.ts'
import { provisionDuckdb } from './duckdb-program.ts'
import { ELASTICSEARCH_VERSION, provisionElasticsearch } from './elasticsearch-server.ts'
import { KAFKA_VERSION, kafkaMissing, provisionKafka } from './kafka-server.ts'
import { MINIO_VERSION, provisionMinio } from './minio-provision.ts'
import { PYTHON_READERS, provisionPython } from './python-readers.ts'
import { redisVersion } from './redis-server.ts'
import { provisionSchemathesis, SCHEMATHESIS } from './schemathesis.ts'
import { DELTA_VERSION, provisionSpark, SPARK_FILES, SPARK_VERSION } from './spark-provision.ts'
import { provisionTrino, TRINO_FILES, TRINO_VERSION } from './trino-provision.ts'

async function provision(server: string, make: () => Promise<unknown>): Promise<boolean> {
  const startedMs = performance.now()
  try {
    await make()
    console.log(`${server} is ready (${((performance.now() - startedMs) / 1_000).toFixed(1)} s)`)
    return true
  } catch (error) {
    console.error(`${server} cannot be had: ${error instanceof Error ? error.message : error}`)
    return false
  }
}

async function kafka(): Promise<void> {
  const missing = await kafkaMissing()
  if (missing !== null) throw new Error(missing)
  await provisionKafka()
}

async function chromium(): Promise<void> {
  if (chromiumVersion() === null) throw new Error('there is no chromium on the PATH (Debian: apt-get install chromium)')
}

/** Much to fetch, for one day in four. A test that needs it brings it, too: the day may change before it runs. */
async function ifToday(server: string, files: readonly string[], make: () => Promise<unknown>): Promise<void> {
  if (runsToday(files)) await make()
  else console.log(`nothing of today needs ${server}`)
}

/** One after the other what comes by the same way, so that no package manager runs twice; the ways at once. */
const WAYS: readonly (readonly (readonly [server: string, make: () => Promise<unknown>])[])[] = [
  [
    ['Redis', async () => redisVersion()],
    ['Chromium', chromium],
    [`Kafka ${KAFKA_VERSION}`, kafka],
    [`Elasticsearch ${ELASTICSEARCH_VERSION}`, provisionElasticsearch],
    [`Trino ${TRINO_VERSION}`, () => ifToday('Trino', TRINO_FILES, provisionTrino)],
  ],
  [
    [`Python with ${PYTHON_READERS}`, provisionPython],
    [SCHEMATHESIS, provisionSchemathesis],
    ['DuckDB with httpfs', provisionDuckdb],
  ],
  [[`MinIO ${MINIO_VERSION}`, provisionMinio]],
]

async function provisionAll(servers: (typeof WAYS)[number]): Promise<boolean[]> {
  const done: boolean[] = []
  for (const [server, make] of servers) done.push(await provision(server, make))
  return done
}

const done = [
  ...(await Promise.all(WAYS.map(provisionAll))).flat(),
  // By both.
  await provision(`Spark ${SPARK_VERSION} with Delta Lake ${DELTA_VERSION}`, () =>
    ifToday('Spark', SPARK_FILES, provisionSpark),
  ),
]
process.exitCode = done.every(Boolean) ? 0 : 1
