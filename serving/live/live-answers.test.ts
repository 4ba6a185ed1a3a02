/** What resident answers read and compute: every file once, nothing twice for an unchanged moment, and no rows of other panes or keys. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, countDistinct, defineDataset, sliding } from '#core/definition.ts'
import { parsePosition } from '#core/log-position.ts'
import type { ViewQuery } from '#core/query.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine, type EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { filesWithin } from '#storage/lake/state-ranges.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { until } from '#tests/until.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { filteredSql } from '../answers/merged-sql.ts'
import { ClientGoneError } from '../answers/query-error.ts'
import { SnapshotError } from '../answers/snapshot.ts'
import { buildServeApp } from '../http/serve-app.ts'
import { LiveAnswers } from './live-answers.ts'
import { LiveDataset } from './live-dataset.ts'

const definition = defineDataset({
  name: 'visits',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
  },
  views: {
    by_page: {
      dimensions: { page: 'page' },
      time: ['minute', 'hour'],
      measures: { visits: count(), visitors: countDistinct('id') },
    },
    trending: {
      dimensions: { page: 'page' },
      window: sliding({ size: '1m', every: '10s' }),
      measures: { visits: count() },
      rank: { by: 'visits', limit: 3 },
    },
  },
})

const START = Date.UTC(2026, 5, 1)
const PAGES = ['/', '/a', '/b', "/'c"]

let folder: string
let engine: DuckDbEngine
let log: SqliteLog
let lake: LocalLake
let store: SqliteSpeedStore
let dataset: CompiledDataset
let live: LiveDataset
let answers: LiveAnswers
let appended: number
let connections: number
let filesRead: string[]
let beforeCheck: () => Promise<void>
let markers: () => ReturnType<SqliteSpeedStore['markers']>
let rangeOf: (partition: number) => ReturnType<SqliteLog['range']>
/** so many reads of the lake find that their files are gone */
let vanishing: number

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-live-'))
  mkdirSync(join(folder, 'scratch'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  dataset = await compileDataset(definition, await engine.connect())
  log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'visits', partitions: 2 })
  lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'visits' })
  store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'visits', log: log.identity })
  appended = 0
  connections = 0
  filesRead = []
  vanishing = 0
  beforeCheck = async () => {}
  markers = () => store.markers()
  rangeOf = (partition) => log.range(partition)
  live = new LiveDataset({
    ...{ dataset, partitions: 2 },
    store: { markers: () => markers() },
    log: { identity: log.identity, read: log.read.bind(log), range: (partition) => rangeOf(partition) },
    lake: countingLake(),
    engine: countingEngine(),
    scratchFolder: join(folder, 'scratch'),
    // Only when a test says so, and then at once.
    limits: { idleRefreshMs: 3_600_000, refreshPauseMs: 3_600_000, reuseMsMax: 0, followWaitMsMax: 60_000 },
  })
  answers = new LiveAnswers(live)
})
afterEach(async () => {
  await live.stop()
  await log.close()
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

function countingLake(): Lake {
  const counting = Object.create(lake) as LocalLake
  Object.assign(counting, {
    current: () => lake.current(),
    chains: (partitions: number) => lake.chains(partitions),
    refusals: () => lake.refusals(),
    check: async (files: Parameters<Lake['check']>[0]) => {
      if (vanishing-- > 0) throw new LakeError('file-missing', 'a file of the test is gone')
      await beforeCheck()
      return lake.check(files)
    },
    resolve: (file: Parameters<Lake['resolve']>[0]) => {
      filesRead.push(file.path)
      return lake.resolve(file)
    },
  })
  return counting
}

function countingEngine(): DuckDbEngine {
  const counting = Object.create(engine) as DuckDbEngine
  counting.connect = (): Promise<EngineConnection> => {
    connections++
    return engine.connect()
  }
  return counting
}

/** One event a second, to both partitions in turn. */
async function append(events: number): Promise<void> {
  for (const partition of [0, 1]) {
    const lines = Array.from({ length: events / 2 }, (_, index) => {
      const id = appended + index * 2 + partition
      return `${JSON.stringify({ id, at: START + id * 1_000, page: PAGES[id % PAGES.length] })}\n`
    })
    await log.append([{ partition, lines: Buffer.from(lines.join('')), count: events / 2 }])
  }
  appended += events
}

/** Lands everything in closed segments. */
async function close(): Promise<void> {
  const limits = { segmentRecordsMax: 1_000_000, segmentAgeMsMax: 1, pollEveryMs: 1 }
  const own = { log, lake, store, engine, dataset, limits, scratchFolder: join(folder, 'scratch-stream'), emit: silent }
  const role = new StreamRole(own)
  await role.start()
  await until('everything is in closed segments', async () =>
    (await lake.chains(2)).every(({ end }) => end === appended / 2),
  )
  await role.stop()
}

async function publish(mode: 'full' | 'incremental', stateFileBytes?: number): Promise<void> {
  const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const own = { lake, store, engine, dataset, dictionary, partitions: 2, logIdentity: log.identity, emit: silent }
  await runBatch({ ...own, mode, keepGenerations: 3, readersGraceMs: 0, stateFileBytes })
  await dictionary.close()
}

interface Given {
  readonly rows: readonly Record<string, unknown>[]
  readonly position: readonly number[]
}

async function ask(query: Omit<ViewQuery, 'dataset'>): Promise<Given> {
  const asked = answers.asked({ dataset: 'visits', ...query })
  const kept = answers.answerNow(asked, Date.now()) ?? (await answers.answer(asked))
  return { rows: JSON.parse(kept.rowsJson) as Given['rows'], position: kept.meta.position }
}

const visits = ({ rows }: Given): number => rows.reduce((sum, row) => sum + Number(row.visits), 0)

test('an answer is kept: asked again, neither files nor the engine are touched, and many at once are computed once', async () => {
  await append(100)
  const first = await ask({ view: 'by_page' })
  expect(visits(first)).toBe(100)
  const [usedConnections, usedFiles] = [connections, filesRead.length]
  const again = await Promise.all(Array.from({ length: 20 }, () => ask({ view: 'by_page' })))
  expect(again.every((answer) => visits(answer) === 100)).toBe(true)
  expect([connections, filesRead.length]).toEqual([usedConnections, usedFiles])
  const others = Array.from({ length: 20 }, () => ask({ view: 'by_page', dimensions: [] }))
  expect((await Promise.all(others)).map(visits)).toEqual(new Array(20).fill(100))
  expect(connections).toBe(usedConnections + 1)
  expect(answers.counts).toEqual({ kept: 20, joined: 19, computed: 2 })
})

test('an answer at another position is computed anew: a kept one is never given for it', async () => {
  await append(10)
  const first = await ask({ view: 'by_page' })
  await append(10)
  await live.refresh()
  const second = await ask({ view: 'by_page' })
  expect([visits(first), first.position]).toEqual([10, [5, 5]])
  expect([visits(second), second.position]).toEqual([20, [10, 10]])
})

test('the tag of an answer changes with its rows, also where only the window moved on', async () => {
  await append(100)
  const tagAt = async (nowMs: number): Promise<string> => {
    const asked = answers.asked({ dataset: 'visits', view: 'trending' })
    return (await answers.answer(asked, { nowMs })).tag
  }
  const first = await tagAt(START + 60_000)
  expect(await tagAt(START + 60_000)).toBe(first)
  expect(await tagAt(START + 90_000)).not.toBe(first)
})

/** Whoever computes does so at once. */
const atOnce = <T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> => work(new AbortController().signal)

async function askAtLeast(text: string, waitMsMax = 60_000, signal = new AbortController().signal): Promise<Given> {
  const asked = answers.asked({ dataset: 'visits', view: 'by_page' })
  const atLeast = { position: parsePosition(text)!, waitMsMax }
  const { rowsJson, meta } = await answers.answerAtLeast(asked, atLeast, { signal, run: atOnce })
  return { rows: JSON.parse(rowsJson) as Given['rows'], position: meta.position }
}

test('an answer that must count a position waits for it, and for nothing else', async () => {
  await append(10)
  expect(visits(await askAtLeast('0:5,1:5'))).toBe(10)
  expect(visits(await askAtLeast('1:3'))).toBe(10)
  expect(answers.counts).toEqual({ kept: 1, joined: 0, computed: 1 })
  const waiting = Promise.all(['0:10,1:5', '1:6', '1:12'].map((text) => askAtLeast(text)))
  await append(10)
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(20)
  await append(10)
  await live.refresh()
  const all = await waiting
  expect(all.every(({ position: [first, second] }) => first! >= 10 && second! >= 10)).toBe(true)
  expect(all[2]!.position).toEqual([15, 15])
  expect(visits(all[2]!)).toBe(30)
})

test('a position that is not reached in time is refused with how far answers count', async () => {
  await append(10)
  await expect(askAtLeast('0:5,1:6', 1)).rejects.toMatchObject({
    name: 'PositionNotReachedError',
    message: expect.stringMatching(/waitMsMax = 1 ms .* up to 1:5, but not yet up to 1:6/),
    position: [5, 5],
  })
  const gone = new AbortController()
  const waiting = askAtLeast('0:6', 60_000, gone.signal)
  gone.abort()
  await expect(waiting).rejects.toThrow(ClientGoneError)
})

test('a speed store that hangs holds up one refresh; answers go on counting everything', async () => {
  await append(10)
  let asked = 0
  markers = () => {
    asked++
    return new Promise(() => {})
  }
  for (let events = 10; events <= 50; events += 10) {
    await live.refresh()
    expect(visits(await ask({ view: 'by_page' }))).toBe(events)
    await close()
    await live.refresh()
    await append(10)
  }
  expect(asked).toBe(1)
})

test('an answer says while the log cannot be read that events may be missing, and keeps its position', async () => {
  await append(10)
  await live.refresh()
  const asked = answers.asked({ dataset: 'visits', view: 'by_page' })
  const kept = await answers.answer(asked)
  expect(JSON.parse(answers.ageJson(kept, Date.now()))).toMatchObject({ behind: 0, liveMissing: null })
  await append(10)
  rangeOf = () => Promise.reject(new Error('down'))
  await live.refresh()
  const later = await answers.answer(asked)
  const why = 'the log cannot be read, or ends before what is counted'
  expect(later.meta.position).toEqual([5, 5])
  expect(JSON.parse(answers.ageJson(later, Date.now()))).toMatchObject({ behind: null, liveMissing: why })
  expect(answers.whyMissing(later)).toBe(why)
  rangeOf = (partition) => log.range(partition)
  await live.refresh()
  const whole = await answers.answer(asked)
  expect(whole.meta).toMatchObject({ position: [10, 10] })
  expect(answers.whyMissing(whole)).toBeNull()
})

test('over HTTP, require=live refuses an answer while the log cannot be read, and gives the next one when it can', async () => {
  await append(10)
  await live.refresh()
  const served = { dataset, lake, store, engine, log, partitions: 2, live: answers }
  const app = buildServeApp({
    datasets: new Map([['visits', served]]),
    intakes: null,
    metrics: new Metrics(),
    emit: silent,
    parts: async () => [],
  })
  const asked = async (require: string) => {
    const { statusCode, body } = await app.inject(`/v1/datasets/visits/views/by_page${require}`)
    return { status: statusCode, ...(JSON.parse(body) as { meta?: object; detail?: string }) }
  }
  expect(await asked('?require=live')).toMatchObject({ status: 200, meta: { behind: 0, liveMissing: null } })
  rangeOf = () => Promise.reject(new Error('down'))
  await live.refresh()
  const why = 'the log cannot be read, or ends before what is counted'
  expect(await asked('')).toMatchObject({ status: 200, meta: { position: [5, 5], behind: null, liveMissing: why } })
  expect(await asked('?require=live')).toMatchObject({ status: 503, detail: expect.stringContaining(why) })
  rangeOf = (partition) => log.range(partition)
  await live.refresh()
  expect(await asked('?require=live')).toMatchObject({ status: 200, meta: { behind: 0, liveMissing: null } })
  await app.close()
})

test('headers say what meta says: of a first request, of a repeated one, of a 304 and of another format', async () => {
  await append(10)
  await live.refresh()
  const served = { dataset, lake, store, engine, log, partitions: 2, live: answers }
  const parts = { intakes: null, metrics: new Metrics(), emit: silent, parts: async () => [] }
  const app = buildServeApp({ datasets: new Map([['visits', served]]), ...parts })
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/v1/datasets/visits/views/by_page`
  const asked = async (headers: Record<string, string> = {}) => {
    const reply = await fetch(url, { headers: { connection: 'close', ...headers } })
    const given = [...reply.headers].filter(([name]) => /^watershed-(?!as-of)/.test(name))
    return { status: reply.status, headers: Object.fromEntries(given), etag: reply.headers.get('etag')! }
  }
  const expected = {
    'watershed-position': '0:5,1:5',
    'watershed-boundary': '0:0,1:0',
    'watershed-generation': 'none',
    'watershed-exact': 'true',
    'watershed-gap-free': 'true',
    'watershed-truncated': 'false',
    'watershed-behind': '0',
  }
  const { etag, ...first } = await asked()
  expect(first).toEqual({ status: 200, headers: expected })
  expect(await asked()).toMatchObject(first)
  expect(await asked({ 'if-none-match': etag })).toMatchObject({ status: 304, headers: expected })
  expect(await asked({ accept: 'text/csv' })).toMatchObject({ status: 200, headers: expected })
  live.appended([{ partition: 0, start: 5, end: 8 }])
  expect((await asked({ 'if-none-match': etag })).headers).toMatchObject({ 'watershed-behind': '3' })
  await app.close()
})

test('a view that was left alone follows again as soon as it is asked for', async () => {
  await append(10)
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(10)
  for (let events = 20; events <= 60; events += 10) {
    await append(10)
    await live.refresh()
    expect(visits(await ask({ view: 'by_page' }))).toBe(events)
  }
})

test('each file is read once: of a closed segment when it closed, of a generation what it added', async () => {
  await append(100)
  await close()
  await ask({ view: 'by_page' })
  const closed = filesRead.filter((path) => path.includes('by_page'))
  expect(closed).toHaveLength(2)
  for (const events of [10, 20]) {
    await append(events)
    await live.refresh()
    expect(visits(await ask({ view: 'by_page' }))).toBe(appended)
  }
  expect(filesRead.filter((path) => path.includes('by_page'))).toEqual(closed)
  await close()
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(130)
  expect(filesRead.filter((path) => path.includes('segments/') && path.includes('by_page'))).toHaveLength(4)

  await publish('full')
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(130)
  expect(filesRead.filter((path) => path.includes('states/') && path.includes('by_page'))).toHaveLength(1)
  await append(4)
  await close()
  await publish('incremental')
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(134)
  const states = filesRead.filter((path) => path.includes('states/') && path.includes('by_page'))
  expect(states).toHaveLength(2)
})

test('a range of time leaves out files of other panes, where files are too large to be kept in memory', async () => {
  await append(16_000)
  await close()
  await publish('full', 20_000)
  await append(600)
  await close()
  await publish('incremental', 20_000)
  const files = (await lake.current())!.views.by_page!.files
  expect(files.length).toBeGreaterThan(2)
  const onDisk = new LiveDataset({
    ...{ dataset, partitions: 2, store, log, lake, engine, scratchFolder: join(folder, 'scratch') },
    limits: { idleRefreshMs: 3_600_000, refreshPauseMs: 3_600_000, reuseMsMax: 0, generationFileBytesMax: 0 },
  })
  try {
    answers = new LiveAnswers(onDisk)
    for (const minutes of [0, 61, 130, 240, 274]) {
      const fromMs = START + minutes * 60_000
      const toMs = fromMs + 10 * 60_000
      const expected = Math.max(0, Math.min(600, appended - minutes * 60))
      expect(visits(await ask({ view: 'by_page', fromMs, toMs }))).toBe(expected)
      const head = await onDisk.head('by_page')
      const named = files.filter(({ path }) => head.sql(new BoundValues(), { fromMs, beforeMs: toMs }).includes(path))
      expect(named).toEqual(filesWithin(files, { fromMs, beforeMs: toMs }))
      expect(named.length).toBeLessThan(files.length)
      head.release()
    }
    expect(visits(await ask({ view: 'by_page' }))).toBe(appended)
  } finally {
    await onDisk.stop()
  }
})

test('files that are gone before they are read are looked for anew, also while a view is brought up to date', async () => {
  await append(100)
  await close()
  vanishing = Number.POSITIVE_INFINITY
  await expect(ask({ view: 'by_page' })).rejects.toThrow(SnapshotError)
  vanishing = 2
  expect(visits(await ask({ view: 'by_page' }))).toBe(100)
})

test('a view is brought up to date although segments close faster than it takes them in', async () => {
  await append(100)
  await close()
  let closes = 0
  beforeCheck = async () => {
    if (++closes > 20) return
    await append(2)
    await close()
    void live.refresh()
  }
  expect(visits(await ask({ view: 'by_page' }))).toBeGreaterThan(100)
  expect(closes).toBeLessThanOrEqual(6)
})

test('rows of other panes and keys do not leave the scans', async () => {
  await append(600)
  await close()
  await append(600)
  await live.refresh()
  expect(visits(await ask({ view: 'by_page' }))).toBe(1_200)
  const [closed, open] = [300_000, 900_000]
  for (const fromMs of [START + closed, START + open]) {
    const query = { view: 'by_page', fromMs, toMs: fromMs + 120_000, filters: [] }
    expect(visits(await ask(query))).toBe(120)
    // Two minutes of each page: a page's events are all in one partition.
    expect(await rowsScanned(query)).toBe(2 * PAGES.length)
    expect(await rowsScanned({ ...query, filters: [{ dimension: 'page', operator: 'eq', values: ['/a'] }] })).toBe(2)
  }
})

interface PlanNode {
  readonly name?: string
  readonly operator_type?: string
  readonly operator_cardinality?: number
  readonly children?: readonly PlanNode[]
}

/** Rows that leave the scans of the answer's states. */
async function rowsScanned(query: Omit<ViewQuery, 'dataset'>): Promise<number> {
  const view = dataset.views.get(query.view)!
  const head = await live.head(query.view)
  const bound = new BoundValues()
  const states = filteredSql(view, head.sql(bound), query, query.filters ?? [], bound)
  const connection = await engine.connect()
  const [row] = await connection.rows<{ explain_value: string }>(
    `EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM ${states}`,
    bound.parameters,
  )
  connection.close()
  head.release()
  return scans(JSON.parse(row!.explain_value) as PlanNode)
}

function scans({ operator_type: type = '', operator_cardinality: rows = 0, children = [] }: PlanNode): number {
  const own = /SCAN/.test(type) ? rows : 0
  return children.reduce((sum, child) => sum + scans(child), own)
}
