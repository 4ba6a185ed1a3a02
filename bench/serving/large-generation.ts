/**
 * Questions to a generation of ten million keys, made by the platform from raw events: the ten heaviest of one category, and one key.
 * Against DuckDB alone over the generation's own Parquet file.
 */
import { join } from 'node:path'
import { quoteText } from '#core/sql-names.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { type Asked, ask, quantileOf } from './asking.ts'
import { appendLines, closeAndRecompute, withFolder } from './prepared-folder.ts'
import { type ServerOptions, ServerProcess } from './server-process.ts'

const KEYS = 10_000_000
const KEYS_PER_EVENT = 1_000
/** has no divisor in common with KEYS: steps of it meet every key once, in no order */
const STEP = 7_919_777
const CATEGORIES = 100
const SEGMENT_EVENTS = 500
const BY_KEY = '/v1/datasets/keyed_uses/views/by_key'
const ASK_MS = 4_000
const BARE_ROUNDS = 20

const keyOf = (index: number): number => (index * STEP) % KEYS

export function largeGeneration(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await appendKeys(folder)
    const options: ServerOptions = {
      folder,
      datasets: [join(import.meta.dirname, 'keyed-uses.ts')],
      settings: { segmentRecordsMax: SEGMENT_EVENTS, streamMemoryMb: 4_096, batchThreads: 2, batchMemoryMb: 6_144 },
    }
    await closeAndRecompute(options, `${BY_KEY}?filter=key:eq:1`)
    const server = await ServerProcess.start(options)
    try {
      const topTen = await askFast(server, CATEGORIES, (n) => `filter=category:eq:${n}&order=-weight&limit=10`)
      const oneKey = await askFast(server, 10_000, (n) => `filter=key:eq:${keyOf(n)}`)
      const { residentMib } = server
      await server.stop()
      const bare = await bareAnswers(folder)
      return {
        topTenP50Ms: topTen.p50Ms,
        topTenP99Ms: topTen.p99Ms,
        oneKeyP50Ms: oneKey.p50Ms,
        oneKeyP99Ms: oneKey.p99Ms,
        failed: topTen.failed + oneKey.failed,
        ...bare,
        topTenAgainstBare: topTen.p50Ms / bare.bareTopTenP50Ms,
        oneKeyAgainstBare: oneKey.p50Ms / bare.bareOneKeyP50Ms,
        residentMib,
      }
    } finally {
      await server.stop(true)
    }
  })
}

function appendKeys(folder: string): Promise<void> {
  let event = 0
  const next = (): string => {
    const batch = event++
    const keys = Array.from({ length: KEYS_PER_EVENT }, (_, index) => keyOf(batch * KEYS_PER_EVENT + index))
    return `{"batch":${batch},"at":${1_700_000_000_000 + batch},"keys":[${keys.join(',')}]}`
  }
  return appendLines(folder, { dataset: 'keyed_uses', count: KEYS / KEYS_PER_EVENT, next })
}

function askFast(server: ServerProcess, count: number, parameters: (n: number) => string): Promise<Asked> {
  const paths = Array.from({ length: count }, (_, n) => `${BY_KEY}?${parameters(n)}`)
  const load = { kind: 'closed', connections: 1 } as const
  return ask({ url: server.url, paths, load, warmMs: 2_000, forMs: ASK_MS }, null)
}

async function bareAnswers(folder: string): Promise<{ bareTopTenP50Ms: number; bareOneKeyP50Ms: number }> {
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'keyed_uses' })
  const generation = (await lake.current())!
  const files = generation.views.by_key!.files.map((file) => quoteText(lake.resolve(file)))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 2 })
  const connection = await engine.connect()
  const from = `SELECT key, category, sum(uses__n) AS uses, sum(weight__s) AS weight FROM read_parquet([${files.join(', ')}])`
  const p50 = async (condition: (n: number) => string): Promise<number> => {
    const latencies: number[] = []
    for (let n = 0; n < BARE_ROUNDS; n++) {
      const began = performance.now()
      await connection.columns(`${from} WHERE ${condition(n)} GROUP BY ALL ORDER BY weight DESC, key LIMIT 10`)
      latencies.push(performance.now() - began)
    }
    return quantileOf(
      latencies.toSorted((a, b) => a - b),
      0.5,
    )
  }
  try {
    return {
      bareTopTenP50Ms: await p50((n) => `category = ${n % CATEGORIES}`),
      bareOneKeyP50Ms: await p50((n) => `key = ${keyOf(n)}`),
    }
  } finally {
    connection.close()
    engine.close()
  }
}
