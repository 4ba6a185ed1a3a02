/** Owners come and go with the assignment. The assignment here is told by the test; the log, lake and speed store are the embedded ones. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { MemoryLog, memoryLogRecords } from '#storage/log/memory/memory-log.ts'
import { AllPartitions, type PartitionAssignment } from '#storage/log/partition-assignment.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { StreamRole } from './stream-role.ts'

const definition = defineDataset({
  name: 'clicks',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  },
  views: { totals: { dimensions: {}, time: ['minute'], measures: { clicks: count() } } },
})

let folder: string
let engine: DuckDbEngine
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-assignment-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
})
afterEach(() => {
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

class ToldAssignment implements PartitionAssignment {
  tell: (partitions: readonly number[]) => void = () => {}
  readonly positions = new Map<number, number>()
  readonly #first: readonly number[]
  constructor(first: readonly number[]) {
    this.#first = first
  }
  async start(changed: (partitions: readonly number[]) => void): Promise<void> {
    this.tell = changed
    changed(this.#first)
  }
  progressed(partition: number, position: number): void {
    this.positions.set(partition, position)
  }
  async stop(): Promise<void> {}
}

const batch = (partition: number, from: number, to: number) => {
  const texts = Array.from({ length: to - from }, (_, i) => `${JSON.stringify({ id: from + i, at: 60_000 })}\n`)
  return { partition, lines: Buffer.from(texts.join('')), count: texts.length }
}

async function site(partitions: number) {
  const records = memoryLogRecords({ dataset: 'clicks', partitions })
  const log = new MemoryLog({ records })
  const dataset = await compileDataset(definition, await engine.connect())
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  const events: PlatformEvent[] = []
  const worker = async (name: string, assignment: PartitionAssignment, of: EventLog = log): Promise<StreamRole> =>
    new StreamRole({
      ...{ dataset, log: of, lake, engine, assignment, emit: (event) => events.push(event) },
      store: await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'clicks' }),
      scratchFolder: join(folder, name),
      limits: { pollEveryMs: 2, flushEveryMs: 5, segmentRecordsMax: 10, retryMsFirst: 1 },
    })
  const ends = async () => (await lake.chains(log.partitions)).map(({ end }) => end)
  return { log, lake, worker, ends, events }
}

test('a partition that moves is continued by its new owner, with every offset once', async () => {
  const { log, worker, ends, lake } = await site(2)
  const [left, right] = [new ToldAssignment([0, 1]), new ToldAssignment([])]
  const [a, b] = [await worker('a', left), await worker('b', right)]
  await log.append([batch(0, 0, 25), batch(1, 0, 25)])
  await Promise.all([a.start(), b.start()])
  await vi.waitFor(async () => expect(await ends()).toEqual([20, 20]), 10_000)
  expect(a.status().map(({ partition }) => partition)).toEqual([0, 1])

  left.tell([0])
  right.tell([1])
  await log.append([batch(0, 25, 40), batch(1, 25, 40)])
  await vi.waitFor(async () => expect(await ends()).toEqual([40, 40]), 10_000)
  await vi.waitFor(() => expect(right.positions.get(1)).toBe(40), 10_000)
  expect(a.status().map(({ partition, state }) => [partition, state])).toEqual([[0, 'running']])
  expect(b.status().map(({ partition }) => partition)).toEqual([1])

  // back and forth, faster than an owner ends
  left.tell([0, 1])
  left.tell([0])
  left.tell([0, 1])
  right.tell([])
  await log.append([batch(1, 40, 60)])
  await vi.waitFor(async () => expect(await ends()).toEqual([40, 60]), 10_000)
  await Promise.all([a.stop(), b.stop()])
  const chain = (await lake.chains(2))[1]!
  expect(chain.segments.reduce((sum, { rows }) => sum + rows, 0)).toBe(60)
})

test('a partition that was added is worked on also where the log was not looked at since', async () => {
  const { log, worker, ends, events } = await site(3)
  const before = new Proxy(log, {
    get: (_, name) => {
      const own = Reflect.get(log, name)
      if (name === 'partitions') return 2
      return typeof own === 'function' ? own.bind(log) : own
    },
  })
  const role = await worker('a', new ToldAssignment([0, 2]), before)
  await log.append([batch(0, 0, 10), batch(2, 0, 20)])
  await role.start()
  await vi.waitFor(async () => expect(await ends()).toEqual([10, 0, 20]), 10_000)
  await role.stop()
  expect(events.filter(({ level }) => level === 'error')).toEqual([])
})

test('partitions that are added while it runs are taken up', async () => {
  const { log, worker, ends, events } = await site(3)
  const known = { partitions: 2 }
  const role = await worker('a', new AllPartitions(known, 5))
  await log.append([batch(0, 0, 10), batch(2, 0, 10)])
  await role.start()
  await vi.waitFor(async () => expect(await ends()).toEqual([10, 0, 0]), 10_000)
  expect(role.status()).toHaveLength(2)
  known.partitions = 3
  await vi.waitFor(async () => expect(await ends()).toEqual([10, 0, 10]), 10_000)
  expect(role.status()).toHaveLength(3)
  expect(events.filter(({ name }) => name === 'partition-taken').map(({ fields }) => fields)).toEqual([
    { partition: 2 },
  ])
  await role.stop()
})

test('what the log keeps of a partition is given up with it', async () => {
  const { log, worker, ends } = await site(2)
  const released: number[] = []
  const told = new ToldAssignment([0, 1])
  const role = await worker('a', told, Object.assign(log, { release: (partition: number) => released.push(partition) }))
  await log.append([batch(0, 0, 10), batch(1, 0, 10)])
  await role.start()
  await vi.waitFor(async () => expect(await ends()).toEqual([10, 10]), 10_000)
  told.tell([0])
  await vi.waitFor(() => expect(released).toEqual([1]), 10_000)
  await role.stop()
  expect(released).toEqual([1, 0])
})
