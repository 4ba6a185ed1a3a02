/** For tests: a stream role of a small dataset on embedded parts, some of which may be made to fail, and the events that it emits. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { avg, count, countDistinct, defineDataset, latest, sum } from '#core/definition.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
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
    page: { type: 'VARCHAR', path: '$.page' },
    spent: { type: 'DOUBLE', path: '$.spent' },
  },
  views: {
    pages: {
      dimensions: { page: 'page' },
      time: ['minute'],
      measures: {
        clicks: count(),
        ids: countDistinct('id'),
        total: sum('id'),
        mean: avg('spent'),
        last: latest('spent'),
      },
    },
  },
})

export const line = (id: number, page: string | null): string =>
  JSON.stringify({ id, at: id * 1_000, page, spent: id / 4 })

export const append = (log: SqliteLog, partition: number, texts: readonly string[]) =>
  log.append([{ partition, lines: Buffer.from(texts.map((text) => `${text}\n`).join('')), count: texts.length }])

export class StreamRoleFixture {
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly connection: EngineConnection
  readonly dataset: CompiledDataset

  static async open(): Promise<StreamRoleFixture> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-stream-'))
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    const connection = await engine.connect()
    return new StreamRoleFixture(folder, engine, connection, await compileDataset(definition, connection))
  }

  private constructor(folder: string, engine: DuckDbEngine, connection: EngineConnection, dataset: CompiledDataset) {
    this.folder = folder
    this.engine = engine
    this.connection = connection
    this.dataset = dataset
  }

  async parts(
    limits: object,
    faulty: { log?: Partial<EventLog>; store?: Partial<SpeedStore>; engine?: Partial<DuckDbEngine> } = {},
  ) {
    const lake = await LocalLake.open({ folder: join(this.folder, 'lake'), dataset: 'clicks' })
    const log = await SqliteLog.open({ file: join(this.folder, 'log.sqlite'), dataset: 'clicks', partitions: 2 })
    const store = await SqliteSpeedStore.open({ file: join(this.folder, 'speed.sqlite'), dataset: 'clicks' })
    const events: PlatformEvent[] = []
    const waiters: { name: string; left: number; through: number | null; resolve: () => void }[] = []
    const emit = (event: PlatformEvent): void => {
      events.push(event)
      for (const waiter of waiters.filter(
        ({ name, through }) => name === event.name && (through === null || through === event.fields?.through),
      ))
        if (--waiter.left === 0) waiter.resolve()
    }
    const seen = (name: string, times = 1, through: number | null = null): Promise<void> =>
      new Promise((resolve) => waiters.push({ name, left: times, through, resolve }))
    const role = new StreamRole({
      dataset: this.dataset,
      log: but(log, faulty.log),
      lake,
      store: but(store, faulty.store),
      engine: but(this.engine, faulty.engine),
      scratchFolder: join(this.folder, 'scratch'),
      limits: { pollEveryMs: 2, flushEveryMs: 5, ...limits },
      emit,
    })
    return { lake, log, store, role, events, seen }
  }

  close(): void {
    this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** `port` with other methods. */
function but<Port extends object>(port: Port, methods: Partial<Port> = {}): Port {
  return new Proxy(port, {
    get: (_, name) => {
      const own = Reflect.get(port, name)
      return Reflect.get(methods, name) ?? (typeof own === 'function' ? own.bind(port) : own)
    },
  })
}
