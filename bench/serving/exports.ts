/**
 * Exports of five million rows of a served view: against DuckDB alone, which writes the same rows with as many threads and as much memory, in
 * turns; the memory that they add to the platform; and what they do to short queries beside them. XLSX, of which DuckDB has no writer of its
 * own, only by itself.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { quoteText } from '#core/sql-names.ts'
import { DEFAULT_SERVE_LIMITS } from '#serving/http/serve-app.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { ask, quantileOf, steadily } from './asking.ts'
import { runScript } from './pinned-process.ts'
import { appendLines, closeAndRecompute, withFolder } from './prepared-folder.ts'
import { usageByRole } from './process-usage.ts'
import { type ServerOptions, ServerProcess } from './server-process.ts'

const ROWS = 5_000_000
const KEYS_PER_EVENT = 1_000
/** has no divisor in common with ROWS: steps of it meet every key once, in no order */
const STEP = 7_919_777
const SEGMENT_EVENTS = 250
const BY_KEY = '/v1/datasets/listed_uses/views/by_key'
const LOOK_EVERY_MS = 50
const SHORT_PER_SECOND = 20
const SHORT_MS = 8_000
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 1)
const FORMATS = process.env.BENCH_FORMATS?.split(',')
/** what a sheet holds */
const XLSX_ROWS = 1_000_000

/** Options of COPY; for Arrow, DuckDB has no writer of its own, and PyArrow's is taken. */
const COPY_OPTIONS: Readonly<Record<string, string | null>> = {
  csv: 'FORMAT csv, HEADER true',
  arrow: null,
  ndjson: 'FORMAT json',
  parquet: 'FORMAT parquet, COMPRESSION zstd',
}

export interface BareExport {
  readonly folder: string
  readonly select: string
  readonly copyOptions: string
  readonly memoryMb: number
  readonly threads: number
}

export interface BareTook {
  readonly seconds: number
  readonly cpuSeconds: number
}

interface Took extends BareTook {
  /** of all of the platform's processes, at most */
  readonly addedMib: number
}

export function exports(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    await fill(folder)
    return measuredExports(folder)
  })
}

async function fill(folder: string): Promise<void> {
  let event = 0
  const next = (): string => {
    const batch = event++
    const keys = Array.from({ length: KEYS_PER_EVENT }, (_, at) => ((batch * KEYS_PER_EVENT + at) * STEP) % ROWS)
    return `{"batch":${batch},"at":${1_700_000_000_000 + batch},"keys":[${keys.join(',')}]}`
  }
  await appendLines(folder, { dataset: 'listed_uses', count: ROWS / KEYS_PER_EVENT, next })
  const settings = { segmentRecordsMax: SEGMENT_EVENTS, streamMemoryMb: 4_096, batchThreads: 2, batchMemoryMb: 6_144 }
  const filling = { ...optionsOf(folder), settings: { ...settings, queryMsMax: 100_000 } }
  await closeAndRecompute(filling, `${BY_KEY}?filter=key:eq:1`)
}

/** @param folder a data folder that was filled */
export async function measuredExports(folder: string): Promise<Record<string, number>> {
  const server = await ServerProcess.start(optionsOf(folder))
  try {
    await server.answer(shortPath(0))
    await server.untilIdle()
    const figures: Record<string, number> = { ...steadily('shortAlone', await askShort(server)) }
    for (const [format, copyOptions] of Object.entries(COPY_OPTIONS)) {
      if (FORMATS?.includes(format) === false) continue
      const [ours, bare]: [Took[], BareTook[]] = [[], []]
      for (let round = 0; round < ROUNDS; round++) {
        ours.push(await exported(server, format))
        bare.push(await bareExport(folder, copyOptions))
      }
      const seconds = median(ours, 'seconds')
      figures[`${format}RowsPerSecond`] = ROWS / seconds
      figures[`${format}AgainstBare`] = median(bare, 'seconds') / seconds
      figures[`${format}CpuAgainstBare`] = median(bare, 'cpuSeconds') / median(ours, 'cpuSeconds')
      figures[`${format}AddedMib`] = Math.max(...ours.map(({ addedMib }) => addedMib))
    }
    if (FORMATS?.includes('xlsx') !== false) {
      const { seconds, addedMib } = await exported(server, 'xlsx', `&filter=key:lt:${XLSX_ROWS}`)
      figures.xlsxRowsPerSecond = XLSX_ROWS / seconds
      figures.xlsxAddedMib = addedMib
    }
    const [asked] = await Promise.all([askShort(server), exported(server, 'csv')])
    return { ...figures, ...steadily('shortBeside', asked) }
  } finally {
    await server.stop()
  }
}

function optionsOf(folder: string): ServerOptions {
  return { folder, datasets: [join(import.meta.dirname, 'listed-uses.ts')] }
}

function shortPath(n: number): string {
  return `${BY_KEY}?filter=key:eq:${n}`
}

function askShort({ url }: ServerProcess): ReturnType<typeof ask> {
  const paths = Array.from({ length: 10_000 }, (_, n) => shortPath(n))
  return ask({ url, paths, load: { kind: 'open', perSecond: SHORT_PER_SECOND }, warmMs: 1_000, forMs: SHORT_MS }, null)
}

async function exported(server: ServerProcess, format: string, filter = ''): Promise<Took> {
  const [before, cpu, beganMs] = [server.residentMib, servingCpu(server), performance.now()]
  let peak = before
  const look = setInterval(() => {
    peak = Math.max(peak, server.residentMib)
  }, LOOK_EVERY_MS)
  await download(`${server.url}${BY_KEY}.${format}?limit=all${filter}`).finally(() => clearInterval(look))
  const seconds = (performance.now() - beganMs) / 1_000
  return { seconds, cpuSeconds: servingCpu(server) - cpu, addedMib: peak - before }
}

/** Of the process that answers; the other roles look for events meanwhile. */
function servingCpu({ pid }: ServerProcess): number {
  return usageByRole(pid).get('main') ?? 0
}

/** Reads an answer to its end, and keeps nothing of it. */
function download(url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  get(url, (response) => {
    if (response.statusCode !== 200) reject(new Error(`${url} was answered with ${response.statusCode}`))
    response.on('error', reject).on('end', resolve).resume()
  }).on('error', reject)
  return promise
}

async function bareExport(folder: string, copyOptions: string | null): Promise<BareTook> {
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'listed_uses' })
  const files = (await lake.current())!.views.by_key!.files.map((file) => quoteText(lake.resolve(file)))
  const select = `SELECT key, name, category, sum(uses__n)::BIGINT AS uses, sum(weight__s)::DECIMAL(38,0) AS weight,
    (sum(share__s)::DOUBLE * 2.0 ** -70 + fsum(share__e)) / sum(share__n) * 2.0 ** 40 AS share FROM read_parquet([${files.join(', ')}]) GROUP BY ALL ORDER BY key, name, category`
  const { exportMemoryMb: memoryMb, exportThreads: threads } = DEFAULT_SERVE_LIMITS
  const own = join(folder, 'spill')
  mkdirSync(own, { recursive: true })
  const asked: BareExport = { folder, select, copyOptions: copyOptions ?? '', memoryMb, threads }
  if (copyOptions !== null) return runScript<BareTook>('bare-export.ts', asked)
  const script = join(import.meta.dirname, 'bare_arrow.py')
  const { status, stdout, stderr } = spawnSync(process.env.BENCH_PYTHON ?? 'python3', [script], {
    input: JSON.stringify(asked),
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`bare_arrow.py needs Python with duckdb and pyarrow: ${stderr}`)
  return JSON.parse(stdout) as BareTook
}

function median<Name extends string>(all: readonly Readonly<Record<Name, number>>[], name: Name): number {
  return quantileOf(
    all.map((each) => each[name]).toSorted((a, b) => a - b),
    0.5,
  )
}
