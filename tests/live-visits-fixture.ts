/** Views of visits, followed by a serving process over the real embedded parts: what it reads is counted, and made to fail where a test says so. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import { count, countDistinct, type DatasetDefinition, defineDataset, sliding } from '#core/definition.ts'
import type { ViewQuery } from '#core/query.ts'
import { LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import type { LiveLimits } from '#serving/live/live-limits.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import { silent } from '#telemetry/emit.ts'
import { until } from './until.ts'

export const visitsDefinition = defineDataset({
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

export const START = Date.UTC(2026, 5, 1)
export const PAGES = ['/', '/a', '/b', "/'c"]
/** Only when a test says so, and then at once. */
export const WHEN_TOLD = {
  ...{ idleRefreshMs: 3_600_000, refreshPauseMs: 3_600_000, reuseMsMax: 0 },
  // However slow the machine is, following never uses up its share: an older head would be given.
  ...{ followShareMin: 1, followShareMax: 1 },
} as const

export interface Given {
  readonly rows: readonly Record<string, unknown>[]
  readonly position: readonly number[]
}

export class LiveVisits {
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly dataset: CompiledDataset
  readonly log: SqliteLog
  readonly lake: LocalLake
  readonly store: SqliteSpeedStore
  readonly live: LiveDataset
  answers: LiveAnswers
  /** events so far */
  appended = 0
  connections = 0
  readonly filesRead: string[] = []
  /** records of the log that were read, and decoded */
  recordsRead = 0
  /** so many reads of the lake find that their files are gone */
  vanishing = 0
  beforeCheck: () => Promise<void> = async () => {}
  markers: () => ReturnType<SqliteSpeedStore['markers']>
  rangeOf: (partition: number) => ReturnType<SqliteLog['range']>

  /** @param definition of a dataset with the same name @param limits other than those of `WHEN_TOLD` */
  static async open(
    definition: DatasetDefinition = visitsDefinition,
    limits: Partial<LiveLimits> = {},
  ): Promise<LiveVisits> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-live-'))
    mkdirSync(join(folder, 'scratch'))
    const engine = await DuckDbEngine.open({ folders: [folder], threads: 1 })
    const dataset = await compileDataset(definition, await engine.connect())
    const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'visits', partitions: 2 })
    const lake = await LocalLake.open({ folder: join(folder, 'lake'), dataset: 'visits' })
    const file = join(folder, 'speed.sqlite')
    const store = await SqliteSpeedStore.open({ file, dataset: 'visits', log: log.identity })
    return new LiveVisits({ folder, engine, dataset, log, lake, store }, limits)
  }

  private constructor(
    parts: Pick<LiveVisits, 'folder' | 'engine' | 'dataset' | 'log' | 'lake' | 'store'>,
    limits: Partial<LiveLimits>,
  ) {
    const { folder, dataset, log, store } = parts
    this.folder = folder
    this.engine = parts.engine
    this.dataset = dataset
    this.log = log
    this.lake = parts.lake
    this.store = store
    this.markers = () => store.markers()
    this.rangeOf = (partition) => log.range(partition)
    this.live = new LiveDataset({
      ...{ dataset, partitions: 2 },
      store: { markers: () => this.markers() },
      log: this.#countingLog(),
      lake: this.#countingLake(),
      engine: this.#countingEngine(),
      scratchFolder: join(folder, 'scratch'),
      limits: { ...WHEN_TOLD, followWaitMsMax: 60_000, ...limits },
    })
    this.answers = new LiveAnswers(this.live)
  }

  /** Another reader of the same parts, to be stopped by the caller. */
  follow(limits: Partial<LiveLimits>, lake: Lake = this.lake): LiveDataset {
    const { dataset, store, log, engine, folder } = this
    const scratchFolder = join(folder, 'scratch')
    return new LiveDataset({ dataset, partitions: 2, store, log, lake, engine, scratchFolder, limits })
  }

  async end(): Promise<void> {
    await this.live.stop()
    await this.log.close()
    await this.store.close()
    this.engine.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #countingLog(): Pick<EventLog, 'identity' | 'read' | 'range'> {
    return {
      identity: this.log.identity,
      range: (partition) => this.rangeOf(partition),
      read: async (...from) => {
        const batch = await this.log.read(...from)
        this.recordsRead += batch?.count ?? 0
        return batch
      },
    }
  }

  #countingLake(): Lake {
    const { lake } = this
    const counting = Object.create(lake) as LocalLake
    Object.assign(counting, {
      current: () => lake.current(),
      chains: (partitions: number) => lake.chains(partitions),
      refusals: () => lake.refusals(),
      check: async (files: Parameters<Lake['check']>[0]) => {
        if (this.vanishing-- > 0) throw new LakeError('file-missing', 'a file of the test is gone')
        await this.beforeCheck()
        return lake.check(files)
      },
      resolve: (file: Parameters<Lake['resolve']>[0]) => {
        this.filesRead.push(file.path)
        return lake.resolve(file)
      },
    })
    return counting
  }

  #countingEngine(): DuckDbEngine {
    const counting = Object.create(this.engine) as DuckDbEngine
    counting.connect = (): Promise<EngineConnection> => {
      this.connections++
      return this.engine.connect()
    }
    return counting
  }

  /** One event a second, to both partitions in turn. */
  async append(events: number): Promise<void> {
    for (const partition of [0, 1]) {
      const lines = Array.from({ length: events / 2 }, (_, index) => {
        const id = this.appended + index * 2 + partition
        return `${JSON.stringify({ id, at: START + id * 1_000, page: PAGES[id % PAGES.length] })}\n`
      })
      await this.log.append([{ partition, lines: Buffer.from(lines.join('')), count: events / 2 }])
    }
    this.appended += events
  }

  /** Lands everything in closed segments. */
  async close(): Promise<void> {
    const { log, lake, store, engine, dataset, folder } = this
    const limits = { segmentRecordsMax: 1_000_000, segmentAgeMsMax: 1, pollEveryMs: 1 }
    const parts = { log, lake, store, engine, dataset, limits, emit: silent }
    const role = new StreamRole({ ...parts, scratchFolder: join(folder, 'scratch-stream') })
    await role.start()
    await until('everything is in closed segments', async () =>
      (await lake.chains(2)).every(({ end }) => end === this.appended / 2),
    )
    await role.stop()
  }

  async publish(mode: 'full' | 'incremental', stateFileBytes?: number): Promise<void> {
    const { log, lake, store, engine, dataset, folder } = this
    const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
    const parts = { lake, store, engine, dataset, dictionary, partitions: 2, logIdentity: log.identity, emit: silent }
    await runBatch({ ...parts, mode, keepGenerations: 3, readersGraceMs: 0, stateFileBytes })
    await dictionary.close()
  }

  async ask(query: Omit<ViewQuery, 'dataset'>): Promise<Given> {
    const asked = this.answers.asked({ dataset: 'visits', ...query })
    const kept = this.answers.answerNow(asked, Date.now()) ?? (await this.answers.answer(asked))
    return { rows: JSON.parse(kept.rowsJson) as Given['rows'], position: kept.meta.position }
  }
}

export function visits({ rows }: Given): number {
  return rows.reduce((sum, row) => sum + Number(row.visits), 0)
}
