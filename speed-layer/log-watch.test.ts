/** What an idle stream role asks of the log and of the speed store, counted, however many partitions it has. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { until } from '#tests/until.ts'
import { LogWatch } from './log-watch.ts'
import { StreamRole } from './stream-role.ts'

const stays = new AbortController().signal
afterEach(() => vi.useRealTimers())

test('all partitions wait by one look at a time, which become rarer while nothing comes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] })
  let looks = 0
  const ends = Array.from({ length: 256 }, () => 5)
  const log = {
    ends: async () => {
      looks++
      return ends
    },
  }
  const watch = new LogWatch(log, { pollEveryMs: 25, idlePollEveryMs: 250 })
  const over: number[] = []
  const waits = ends.map(async (_, partition) => {
    await watch.wait(partition, 5, 60_000, stays)
    over.push(partition)
  })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(over).toEqual([])
  expect(looks).toBeGreaterThan(30)
  expect(looks).toBeLessThan(60)
  ends[7] = 6
  ends[9] = 4
  await vi.advanceTimersByTimeAsync(250)
  expect(over).toEqual([7, 9])
  await vi.advanceTimersByTimeAsync(60_000)
  await Promise.all(waits)
  expect(over).toHaveLength(256)
  const before = looks
  await vi.advanceTimersByTimeAsync(10_000)
  expect(looks).toBe(before)
})

test('a wait ends when its partition is lost, or the log cannot be read', async () => {
  const lost = new AbortController()
  let fails = false
  const log = { ends: async () => (fails ? Promise.reject(new Error('away')) : [0]) }
  const watch = new LogWatch(log, { pollEveryMs: 1, idlePollEveryMs: 1 })
  const leaves = watch.wait(0, 0, 60_000, lost.signal)
  lost.abort()
  await leaves
  const waits = watch.wait(0, 0, 60_000, stays)
  fails = true
  await waits
  expect(lost.signal.aborted).toBe(true)
})

test('256 idle partitions ask for nothing but the ends of the log, and write nothing', async () => {
  const PARTITIONS = 256
  const folder = mkdtempSync(join(tmpdir(), 'watershed-idle-'))
  const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const dataset = await compileDataset(
    defineDataset({
      name: 'clicks',
      time: 'at',
      key: 'id',
      columns: {
        id: { type: 'BIGINT', path: '$.id', required: true },
        at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
      },
      views: { totals: { dimensions: {}, measures: { clicks: count() } } },
    }),
    await engine.connect(),
  )
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  const asked = new Map<string, number>()
  const log = counted(
    'log',
    await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'clicks', partitions: PARTITIONS }),
    asked,
  )
  const store = counted(
    'store',
    await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: 'clicks' }),
    asked,
  )
  const limits = { pollEveryMs: 2, idlePollEveryMs: 20, flushEveryMs: 5, markerEveryMs: 3_600_000 }
  const role = new StreamRole({
    dataset,
    log,
    lake,
    store,
    engine,
    scratchFolder: join(folder, 'scratch'),
    limits,
    emit: silent,
  })
  const times = (name: string): number => asked.get(name) ?? 0
  try {
    await role.start()
    await until('each partition has its first marker', () => times('store.flush') >= PARTITIONS)
    await until('each partition has gone round once more', () => times('log.range') >= 2 * PARTITIONS)
    const looks = times('log.ends')
    await until('they wait', () => times('log.ends') >= looks + 3)
    const before = new Map(asked)
    await until('the log was looked at often', () => times('log.ends') >= before.get('log.ends')! + 20)
    const more = [...asked].filter(([name, calls]) => name !== 'log.ends' && calls !== before.get(name))
    // Each owner looks at itself once a second.
    for (const [name] of more) expect(name).toBe('log.read')
    expect(times('log.read') - (before.get('log.read') ?? 0)).toBeLessThanOrEqual(3 * PARTITIONS)
    expect(times('store.flush')).toBe(PARTITIONS)

    await log.append([{ partition: 200, lines: Buffer.from('{"id":1,"at":5}\n'), count: 1 }])
    await until('the event is counted', async () => (await store.markers()).get(200)?.through === 1)
    expect(times('store.flush')).toBe(PARTITIONS + 1)
  } finally {
    await role.stop()
    await log.close()
    await store.close()
    engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)

/** The same object, whose calls are counted by name. */
function counted<T extends object>(name: string, target: T, calls: Map<string, number>): T {
  return new Proxy(target, {
    get: (_, property) => {
      const value = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      return (...words: unknown[]) => {
        const key = `${name}.${String(property)}`
        calls.set(key, (calls.get(key) ?? 0) + 1)
        return value.apply(target, words)
      }
    },
  })
}
