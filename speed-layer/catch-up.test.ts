import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, type DatasetDefinition, sum } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import clicks from '#tests/cluster/clicks.ts'
import { backlogOf, type CatchUpParts, foldBacklog } from './catch-up.ts'

const definition = (measure: string): DatasetDefinition => ({
  ...clicks,
  views: { all: { dimensions: {}, measures: { clicks: count(), [measure]: sum('id') } } },
})

let folder: string
let engine: DuckDbEngine
let log: SqliteLog
let store: SqliteSpeedStore
let lake: LocalLake
let parts: CatchUpParts
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-catch-up-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'clicks', partitions: 2 })
  store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'clicks' })
  const dataset = await compiled('total')
  const limits = { segmentRecordsMax: 100, batchRecordsMax: 33 }
  parts = { dataset, log, lake, store, engine, scratchFolder: join(folder, 'scratch'), limits, emit: silent }
})
afterEach(async () => {
  await log.close()
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

async function compiled(measure: string): Promise<CatchUpParts['dataset']> {
  const connection = await engine.connect()
  try {
    return await compileDataset(definition(measure), connection)
  } finally {
    connection.close()
  }
}

async function append(partition: number, events: number): Promise<void> {
  const lines = Array.from({ length: events }, (_, id) => `{"id":${id},"at":${id}}\n`).join('')
  await log.append([{ partition, lines: Buffer.from(lines), count: events }])
}

const ends = async (): Promise<number[]> => (await lake.chains(2)).map(({ end }) => end)
const bounds = async (partition: number): Promise<[number, number][]> =>
  (await lake.chains(2))[partition]!.segments.map(({ start, end }) => [start, end])

test('a flushed backlog is in closed segments and in partials, as a stream role would leave it', async () => {
  await append(0, 250)
  await append(1, 30)
  const backlog = await backlogOf(parts, 'flushed')
  expect(backlog).toEqual([
    { partition: 0, position: 0, end: 250 },
    { partition: 1, position: 0, end: 30 },
  ])
  await foldBacklog(parts, backlog, 'flushed')
  expect(await ends()).toEqual([200, 0])
  const hash = parts.dataset.views.get('all')!.hash
  const { markers, rows } = await store.read([hash], new Map([...(await ends()).entries()]))
  expect([...markers.values()].map(({ through, rows }) => [through, rows])).toEqual([
    [250, 50],
    [30, 30],
  ])
  const clicks = rows.get(hash)!.map((row) => (JSON.parse(row) as { clicks__n: number }).clicks__n)
  expect(clicks.toSorted((a, b) => a - b)).toEqual([30, 50])
  expect(await backlogOf(parts, 'flushed')).toEqual([])
})

test('a closed backlog is in segments up to the end of the log, also what was flushed before', async () => {
  await append(0, 150)
  await foldBacklog(parts, await backlogOf(parts, 'flushed'), 'flushed')
  await append(0, 10)
  expect(await backlogOf(parts, 'closed')).toEqual([{ partition: 0, position: 100, end: 160 }])
  await foldBacklog(parts, await backlogOf(parts, 'closed'), 'closed')
  expect(await bounds(0)).toEqual([
    [0, 100],
    [100, 160],
  ])
  expect(await backlogOf(parts, 'closed')).toEqual([])
  expect(await backlogOf(parts, 'flushed')).toEqual([])
})

test('what another definition folded is folded again', async () => {
  await append(0, 20)
  await foldBacklog(parts, await backlogOf(parts, 'flushed'), 'flushed')
  const changed = { ...parts, dataset: await compiled('sum') }
  expect(await backlogOf(changed, 'flushed')).toEqual([{ partition: 0, position: 0, end: 20 }])
  await foldBacklog(changed, await backlogOf(changed, 'flushed'), 'flushed')
  expect(await backlogOf(changed, 'flushed')).toEqual([])
})

test('where another owner closes the segment first, its segment counts, and the rest is folded after it', async () => {
  await append(0, 50)
  const before = await backlogOf(parts, 'closed')
  await append(0, 25)
  let overtaken = false
  const step = async (name: string): Promise<void> => {
    if (name !== 'segment:files-linked' || overtaken) return
    overtaken = true
    await foldBacklog(parts, before, 'closed')
  }
  await foldBacklog(
    { ...parts, limits: { ...parts.limits, batchRecordsMax: 60 }, step },
    await backlogOf(parts, 'closed'),
    'closed',
  )
  expect(overtaken).toBe(true)
  const segments = await bounds(0)
  expect(segments.at(-1)![1]).toBe(75)
  expect(segments.map(([start]) => start)).toEqual([0, ...segments.slice(0, -1).map(([, end]) => end)])
})

test.each(['flushed', 'closed'] as const)(
  '%s: a log that ends in offsets without records is folded to its last record',
  async (counted) => {
    await append(0, 20)
    const longer = new Proxy(log, {
      get: (_, name) => {
        if (name === 'range')
          return async (partition: number) => ({ partition, start: 0, end: partition === 0 ? 23 : 0 })
        const own = Reflect.get(log, name)
        return typeof own === 'function' ? own.bind(log) : own
      },
    })
    const backlog = await backlogOf({ ...parts, log: longer }, counted)
    expect(backlog).toEqual([{ partition: 0, position: 0, end: 23 }])
    await foldBacklog({ ...parts, log: longer }, backlog, counted)
    expect(await backlogOf({ ...parts, log: longer }, counted)).toEqual([{ partition: 0, position: 20, end: 23 }])
  },
)

test('stopped on the way, it keeps what is closed, and the next one folds the rest', async () => {
  await append(0, 250)
  const stop = new AbortController()
  const step = async (): Promise<void> => stop.abort()
  const folding = foldBacklog({ ...parts, step }, await backlogOf(parts, 'flushed'), 'flushed', stop.signal)
  await expect(folding).rejects.toThrow(/abort/)
  expect(await backlogOf(parts, 'flushed')).toEqual([{ partition: 0, position: 100, end: 250 }])
  await foldBacklog(parts, await backlogOf(parts, 'flushed'), 'flushed')
  expect(await backlogOf(parts, 'flushed')).toEqual([])
})
