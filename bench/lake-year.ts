/**
 * What a lake costs after a year of 100 partitions, 100,000 segments, 1 G declared rows and 10 M keys, beside one with a tenth of all of
 * them: time and calls of the storage for a start, a commit, the look after it, an incremental run of as many new events, two queries, and
 * what a slice of the proof (of thirty) and a compaction look at before they read events.
 * In a folder the calls are those of the file system; in a bucket requests to a real S3 server. And at 10 M real events: a full run against an
 * incremental one with 1 % new. LAKE_YEAR=folder, bucket or runs measures one part. Writing a year takes minutes: with LAKE_YEAR_GROUND, an empty
 * folder, the lakes are written there once, only that with LAKE_YEAR_WRITE=only, and measured by a later call.
 */
import files, { existsSync, promises as fs, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BatchMode } from '#batch-layer/plan-run.ts'
import { runBatch } from '#batch-layer/run-batch.ts'
import { lookForSmall } from '#batch-layer/small-segments.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { ViewQuery } from '#core/query.ts'
import { withNextSlice } from '#runtime/health/prove-slice.ts'
import { answerQuery } from '#serving/answers/merged-view.ts'
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { BlobLake } from '#storage/lake/blob-lake/blob-lake.ts'
import type { Blobs } from '#storage/lake/blob-lake/blobs.ts'
import { FolderBlobs } from '#storage/lake/local/folder-blobs.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { ObjectCache } from '#storage/lake/s3/object-cache.ts'
import { S3Blobs } from '#storage/lake/s3/s3-blobs.ts'
import { S3Lake } from '#storage/lake/s3/s3-lake.ts'
import { S3Store } from '#storage/lake/s3/s3-store.ts'
import { MemorySpeedStore } from '#storage/speed-store/memory/memory-speed-store.ts'
import { S3Proxy } from '#tests/servers/s3-proxy.ts'
import { S3_CREDENTIALS, startS3 } from '#tests/servers/s3-server.ts'
import { groupsWithin } from '#verification/slice.ts'
import { median } from './rsvp-platform.ts'
import { LOG, PARTITIONS, stageNew, writeYear, type YearSize, yearDataset } from './synthetic-year.ts'

/** less than 1 only to try it */
const SCALE = Number(process.env.LAKE_YEAR_SCALE ?? 1)
const TENTH: YearSize = { segments: 100 * SCALE, keys: 1_000_000 * SCALE }
const WHOLE: YearSize = { segments: 1_000 * SCALE, keys: 10_000_000 * SCALE }
const OFFSETS = 10_000
/** of one landed segment, and how many land before a run: one of each partition */
const NEW_EVENTS = 1_000
const RUNS = 3
const NIGHTS = 30
const EVENTS = Number(process.env.BENCH_EVENTS ?? 10_000_000)
const EVENT_SEGMENTS = 100
const CACHE_BYTES = 8 * 2 ** 30
const ONLY_WRITE = process.env.LAKE_YEAR_WRITE === 'only'

/** Where a lake is, and how often the storage was called. */
interface Place {
  readonly blobs: (lake: string) => Blobs
  put(lake: string, path: string, text: string): Promise<void>
  /** as a process that starts */
  open(lake: string): Promise<BlobLake>
  /** since the last time */
  calls(): number
}

type Figures = Record<string, number>

/** @returns ms, calls, and how many times the tenth of the year each takes */
export async function lakeYear(): Promise<Figures> {
  const part = process.env.LAKE_YEAR
  return {
    ...(part === undefined || part === 'folder' ? named('folder', await inFolder()) : {}),
    ...(part === undefined || part === 'bucket' ? named('bucket', await inBucket()) : {}),
    ...(part === undefined || part === 'runs' ? await fullAgainstIncremental() : {}),
  }
}

function named(prefix: string, figures: Figures): Figures {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}:${name}`, value]))
}

/** A folder for lakes, that given ones keep. */
async function onGround<T>(part: string, work: (ground: string) => Promise<T>): Promise<T> {
  const given = process.env.LAKE_YEAR_GROUND
  const ground = given === undefined ? mkdtempSync(join(tmpdir(), 'watershed-year-')) : join(given, part)
  mkdirSync(ground, { recursive: true })
  try {
    return await work(ground)
  } finally {
    if (given === undefined) rmSync(ground, { recursive: true })
  }
}

function inFolder(): Promise<Figures> {
  return onGround('folder', async (ground) => {
    const counted = countFileSystem()
    const folderOf = (lake: string): string => join(ground, lake)
    try {
      return await bothYears(ground, {
        blobs: (lake) => new FolderBlobs(join(folderOf(lake), 'year')),
        put: (lake, path, text) => writeFile(join(folderOf(lake), 'year', path), text),
        open: (lake) => LocalLake.open({ folder: folderOf(lake), dataset: 'year' }),
        calls: counted.calls,
      })
    } finally {
      counted.stop()
    }
  })
}

const FILE_SYSTEM = [
  'readFile',
  'readdir',
  'stat',
  'open',
  'mkdir',
  'link',
  'rename',
  'unlink',
  'rm',
  'utimes',
] as const

/** of node:fs itself: listings of folders call them */
const BY_LISTINGS = ['readdir', 'stat', 'statSync'] as const

type Calls = Record<string, (...given: unknown[]) => unknown>

function countFileSystem(): { calls(): number; stop(): void } {
  let calls = 0
  const count = (all: Calls, names: readonly string[]): (() => void) => {
    const originals = Object.fromEntries(names.map((name) => [name, all[name]!]))
    for (const [name, original] of Object.entries(originals))
      all[name] = (...given) => {
        calls++
        return original(...given)
      }
    return () => Object.assign(all, originals)
  }
  const restore = [count(fs as unknown as Calls, FILE_SYSTEM), count(files as unknown as Calls, BY_LISTINGS)]
  syncBuiltinESMExports()
  return {
    calls: () => {
      const seen = calls
      calls = 0
      return seen
    },
    stop: () => {
      for (const each of restore) each()
      syncBuiltinESMExports()
    },
  }
}

function inBucket(): Promise<Figures> {
  return onGround('bucket', async (ground) => {
    const objects = join(ground, 'objects')
    mkdirSync(objects, { recursive: true })
    const server = await startS3(objects)
    const proxy = await S3Proxy.start(server.endpoint)
    const at = { bucket: 'lakes', pathStyle: true, credentials: S3_CREDENTIALS }
    const [cacheBytesMax, machine] = [CACHE_BYTES, `machine-${Date.now()}`]
    let machines = 0
    const blobs = (lake: string): Blobs => {
      const store = new S3Store({ ...at, prefix: lake, endpoint: server.endpoint })
      return new S3Blobs('year', store, new ObjectCache({ folder: join(ground, 'writer'), bytesMax: CACHE_BYTES }))
    }
    try {
      await server.makeBucket(at.bucket)
      return await bothYears(ground, {
        blobs,
        put: (lake, path, text) => blobsOf(lake, blobs).replace(path, text),
        open: (lake) =>
          S3Lake.open({
            ...{ ...at, prefix: lake, dataset: 'year', endpoint: proxy.endpoint, cacheBytesMax, lockMs: 30_000 },
            cacheFolder: join(ground, `${machine}-${machines++}`),
          }),
        calls: () => proxy.seen.splice(0).length,
      })
    } finally {
      await proxy.stop()
      await server.stop()
    }
  })
}

const opened = new Map<string, Blobs>()

function blobsOf(lake: string, open: (lake: string) => Blobs): Blobs {
  const known = opened.get(lake) ?? open(lake)
  opened.set(lake, known)
  return known
}

async function bothYears(ground: string, place: Place): Promise<Figures> {
  const tenth = await ofYear(ground, place, 'tenth', TENTH)
  const whole = await ofYear(ground, place, 'whole', WHOLE)
  if (ONLY_WRITE) return {}
  const against = Object.entries(whole).map(([name, value]): [string, number] => [
    `${name}AgainstTenth`,
    value / Math.max(tenth[name]!, 1e-9),
  ])
  return { ...whole, ...Object.fromEntries(against) }
}

function engineIn(ground: string): Promise<DuckDbEngine> {
  return DuckDbEngine.open({ folders: [ground], threads: 2, memoryLimit: '3GB', spillFolder: join(ground, 'spill') })
}

async function ofYear(ground: string, place: Place, name: string, size: YearSize): Promise<Figures> {
  const engine = await engineIn(ground)
  const connection = await engine.connect()
  try {
    const dataset = await yearDataset(connection)
    const written = join(ground, `${name}.written`)
    if (!existsSync(written)) {
      const put = (path: string, text: string): Promise<void> => place.put(name, path, text)
      await writeYear(dataset, connection, { blobs: place.blobs(name), lake: await place.open(name), size, put })
      writeFileSync(written, '')
    }
    if (ONLY_WRITE) return {}
    return await measured(new Year(place, name, size, dataset, engine, connection))
  } finally {
    connection.close()
    engine.close()
  }
}

class Year {
  readonly dataset: CompiledDataset
  readonly engine: DuckDbEngine
  readonly size: YearSize
  readonly place: Place
  readonly #name: string
  readonly #connection: EngineConnection
  #start: number

  constructor(
    place: Place,
    name: string,
    size: YearSize,
    dataset: CompiledDataset,
    engine: DuckDbEngine,
    connection: EngineConnection,
  ) {
    this.place = place
    this.#name = name
    this.size = size
    this.dataset = dataset
    this.engine = engine
    this.#connection = connection
    this.#start = size.segments * OFFSETS
  }

  open(): Promise<BlobLake> {
    return this.place.open(this.#name)
  }

  /** A segment of each partition. @returns what a commit of them took */
  async land(lake: BlobLake): Promise<Taken> {
    const commits: Taken[] = []
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const place = { partition, start: this.#start, events: NEW_EVENTS, keys: this.size.keys }
      const manifest = await stageNew(this.dataset, this.#connection, lake, place)
      commits.push(await taken(this.place, () => lake.commitSegment(manifest)))
    }
    this.#start += NEW_EVENTS
    return middle(commits)
  }

  run(lake: BlobLake, mode: BatchMode = 'incremental'): Promise<unknown> {
    return runOn(this.dataset, this.engine, lake, mode)
  }

  ask(lake: BlobLake, query: Pick<ViewQuery, 'view'> & Partial<ViewQuery>): Promise<unknown> {
    const { dataset, engine } = this
    const served = { dataset, lake, engine, store: new MemorySpeedStore(), partitions: PARTITIONS }
    return answerQuery(served, { dataset: dataset.name, dimensions: [], ...query })
  }
}

interface Taken {
  readonly ms: number
  readonly calls: number
}

async function taken(place: Place, work: () => Promise<unknown>): Promise<Taken> {
  place.calls()
  const began = performance.now()
  await work()
  return { ms: performance.now() - began, calls: place.calls() }
}

function middle(all: readonly Taken[]): Taken {
  return { ms: median(all.map(({ ms }) => ms)), calls: median(all.map(({ calls }) => calls)) }
}

async function measured(year: Year): Promise<Figures> {
  const figures: Figures = {}
  const add = (name: string, { ms, calls }: Taken): void => {
    Object.assign(figures, { [`${name}Ms`]: ms, [`${name}Calls`]: calls })
    process.stderr.write(
      `  ${year.size.segments * PARTITIONS} segments: ${name} ${Math.round(ms)} ms, ${calls} calls\n`,
    )
  }
  const [stream, serve, batch] = [await year.open(), await year.open(), await year.open()]
  // As every role that answers, folds or runs batches.
  const start = (lake: BlobLake) => async () => {
    const counted = (await lake.current())?.boundary
    await lake.chains(PARTITIONS, { counted, after: counted })
  }
  add('start', await taken(year.place, start(serve)))
  await start(stream)()
  add('commit', await year.land(stream))
  add('look', await taken(year.place, start(serve)))
  add('firstRun', await taken(year.place, () => year.run(batch)))
  const runs: Taken[] = []
  for (let run = 0; run < RUNS; run++) {
    await year.land(stream)
    runs.push(await taken(year.place, () => year.run(batch)))
  }
  add('run', middle(runs))
  const filters = [{ dimension: 'member', operator: 'eq' as const, values: [String(year.size.keys / 2)] }]
  const key = () => year.ask(serve, { view: 'by_member', filters })
  const day = () => year.ask(serve, { view: 'by_hour', fromMs: Date.UTC(2025, 11, 31), toMs: Date.UTC(2026, 0, 1) })
  add('keyFirst', await taken(year.place, key))
  add('key', middle([await taken(year.place, key), await taken(year.place, key), await taken(year.place, key)]))
  add('dayFirst', await taken(year.place, day))
  const known = { rowsTarget: 1_000_000, spanMsMax: null }
  const ends = Array.from({ length: PARTITIONS }, () => year.size.segments * OFFSETS)
  const lock = await batch.tryLock('batch')
  await batch.markCompaction({ ...known, from: ends.map((end) => end - OFFSETS), to: ends })
  await lock!.release()
  const [proving, compacting] = [await year.open(), await year.open()]
  const boundary = (await compacting.current())!.boundary
  add('compaction', await taken(year.place, () => lookForSmall(compacting, boundary, known)))
  const { dataset } = year
  const slice = () =>
    withNextSlice({ dataset, lake: proving } as Parameters<typeof withNextSlice>[0], NIGHTS, ({ panes }) =>
      proving.outline(PARTITIONS, groupsWithin(dataset, panes)),
    )
  add('slice', await taken(year.place, slice))
  add('day', middle([await taken(year.place, day), await taken(year.place, day), await taken(year.place, day)]))
  return figures
}

function runOn(dataset: CompiledDataset, engine: DuckDbEngine, lake: BlobLake, mode: BatchMode): Promise<unknown> {
  const dictionary = {} as DictionaryStore
  return runBatch({
    ...{ dataset, engine, lake, mode, dictionary, partitions: PARTITIONS, logIdentity: LOG },
    emit: ({ level, message }) => {
      if (level === 'warn' || level === 'error') throw new Error(message)
    },
  })
}

/** Real events, all with their partials. */
async function fullAgainstIncremental(): Promise<Figures> {
  const ground = mkdtempSync(join(tmpdir(), 'watershed-year-'))
  const engine = await engineIn(ground)
  const connection = await engine.connect()
  try {
    const dataset = await yearDataset(connection)
    const lake = await LocalLake.open({ folder: ground, dataset: dataset.name })
    const keys = EVENTS / 10
    const landed = Array.from({ length: PARTITIONS }, () => 0)
    const land = async (partition: number, events: number): Promise<void> => {
      await lake.commitSegment(
        await stageNew(dataset, connection, lake, { partition, start: landed[partition]!, events, keys }),
      )
      landed[partition]! += events
    }
    for (let partition = 0; partition < EVENT_SEGMENTS; partition++) await land(partition, EVENTS / EVENT_SEGMENTS)
    const seconds = async (mode: BatchMode): Promise<number> => {
      const began = performance.now()
      await runOn(dataset, engine, lake, mode)
      return (performance.now() - began) / 1_000
    }
    const full = [await seconds('full')]
    const incremental: number[] = []
    for (let run = 0; run < 2 * RUNS; run++) {
      for (let partition = 0; partition < 10; partition++) await land(partition, EVENTS / 1_000)
      incremental.push(await seconds('incremental'))
    }
    full.push(await seconds('full'))
    return {
      ...{ events: EVENTS, fullSeconds: median(full), incrementalSeconds: median(incremental) },
      incrementalSecondsMax: Math.max(...incremental),
      fullAgainstIncremental: median(full) / median(incremental),
      fullAgainstIncrementalMean:
        median(full) / (incremental.reduce((sum, each) => sum + each, 0) / incremental.length),
    }
  } finally {
    connection.close()
    engine.close()
    rmSync(ground, { recursive: true })
  }
}
