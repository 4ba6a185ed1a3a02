/** What an idle stream role asks of the log and of the speed store, counted, however many partitions it has. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, defineDataset } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { until } from '#tests/until.ts'
import type { StreamLimits } from './stream-limits.ts'
import { StreamRole } from './stream-role.ts'

const PARTITIONS = 256
const HOUR_MS = 3_600_000

let folder: string
let engine: DuckDbEngine
let dataset: CompiledDataset
let asked: Map<string, number>
let log: SqliteLog
let store: SqliteSpeedStore
const times = (name: string): number => asked.get(name) ?? 0

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-idle-'))
  engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
  const definition = defineDataset({
    name: 'clicks',
    time: 'at',
    key: 'id',
    columns: {
      id: { type: 'BIGINT', path: '$.id', required: true },
      at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    },
    views: { totals: { dimensions: {}, measures: { clicks: count() } } },
  })
  dataset = await compileDataset(definition, await engine.connect())
  asked = new Map()
  const [file, partitions] = [join(folder, 'log.sqlite'), PARTITIONS]
  log = counted('log', await SqliteLog.open({ file, dataset: 'clicks', partitions }), asked)
  const speed = { file: join(folder, 'speed.sqlite'), dataset: 'clicks' }
  store = counted('store', await SqliteSpeedStore.open(speed), asked)
})
afterEach(async () => {
  await log.close()
  await store.close()
  engine.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a role until each partition has its first marker and waits. */
async function idleWith(limits: Partial<StreamLimits>, work: () => Promise<void>): Promise<void> {
  const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'clicks' })
  const scratchFolder = join(folder, 'scratch')
  const role = new StreamRole({ dataset, log, lake, store, engine, scratchFolder, limits, emit: silent })
  try {
    await role.start()
    await until('each partition has its first marker', () => times('store.flush') >= PARTITIONS)
    await until('each partition has gone round once more', () => times('log.range') >= 2 * PARTITIONS)
    const looks = times('log.ends')
    await until('they wait', () => times('log.ends') >= looks + 3)
    await work()
  } finally {
    await role.stop()
  }
}

const LIMITS = { pollEveryMs: 2, idlePollEveryMs: 20, flushEveryMs: 5 }

test('256 idle partitions ask for nothing but the ends of the log, and write nothing', async () => {
  await idleWith({ ...LIMITS, markerEveryMs: HOUR_MS }, async () => {
    const before = new Map(asked)
    await until('the log was looked at often', () => times('log.ends') >= before.get('log.ends')! + 100)
    const more = [...asked].filter(([name, calls]) => name !== 'log.ends' && calls !== before.get(name))
    expect(more).toEqual([])

    await log.append([{ partition: 200, lines: Buffer.from('{"id":1,"at":5}\n'), count: 1 }])
    await until('the event is counted', async () => (await store.markers()).get(200)?.through === 1)
    expect(times('store.flush')).toBe(PARTITIONS + 1)
  })
})

test('256 idle partitions have one heartbeat together', async () => {
  const markerEveryMs = 50
  await idleWith({ ...LIMITS, markerEveryMs }, async () => {
    const [beats, reads] = [times('store.flush'), times('log.read')]
    const [beganMs, newest] = [performance.now(), await newestMarkerMs()]
    await until('ten were written', () => times('store.flush') >= beats + 10)
    // The first may have been due already.
    expect(performance.now() - beganMs).toBeGreaterThan(8 * markerEveryMs)
    expect(times('log.read')).toBe(reads)
    expect(await newestMarkerMs()).toBeGreaterThan(newest)
  })
})

async function newestMarkerMs(): Promise<number> {
  return Math.max(...[...(await store.markers()).values()].map(({ atMs }) => atMs))
}

test('what a closed segment leaves behind is cleaned up although its partition writes nothing more', async () => {
  const grace = { readerGraceMs: 400, logRetentionMs: 400, segmentAgeMsMax: 50 }
  await idleWith({ ...LIMITS, ...grace, markerEveryMs: HOUR_MS }, async () => {
    await log.append([{ partition: 7, lines: Buffer.from('{"id":1,"at":5}\n'), count: 1 }])
    await until('its records are dropped', async () => (await log.range(7)).start === 1)
    await until('its partials are deleted', async () => {
      const { rows } = await store.read([dataset.views.get('totals')!.hash], new Map([[7, 0]]))
      return [...rows.values()].flat().length === 0
    })
  })
})

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
