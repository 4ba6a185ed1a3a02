/** The real embedded parts over one generated dataset. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { type BatchRunOptions, runBatch } from '#batch-layer/run-batch.ts'
import { compileDataset } from '#core/compile-dataset.ts'
import type { DatasetDefinition } from '#core/definition-parts.ts'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { Intake } from '#ingest/intake.ts'
import { buildServeApp, type ServeAppParts } from '#serving/http/serve-app.ts'
import { LiveAnswers } from '#serving/live/live-answers.ts'
import { LiveDataset } from '#serving/live/live-dataset.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { PlatformEvent } from '#telemetry/emit.ts'
import { Metrics } from '#telemetry/metrics.ts'
import { until } from '../until.ts'

export const PARTITIONS = 2

export interface GeneratedPlatformOptions {
  /** a folder that the engine may use */
  readonly folder: string
  readonly engine: DuckDbEngine
  readonly definition: DatasetDefinition
  readonly segmentRecordsMax: number
  /** events of one read of the stream role; default: 10 */
  readonly batchRecordsMax?: number
  readonly resident: boolean
  /** when events arrive and batch runs begin, epoch ms; default: now */
  readonly clock?: () => number
  readonly serveLimits?: ServeAppParts['limits']
  /** default: a lake in the folder */
  readonly openLake?: (dataset: string) => Promise<Lake>
}

export interface GeneratedPlatform {
  readonly app: FastifyInstance
  /** where answers are resident */
  readonly live?: LiveAnswers
  readonly lake: Lake
  readonly intake: Intake
  /** of its files */
  readonly folder: string
  readonly faults: PlatformEvent[]
  /** everything that was emitted, faults included */
  readonly emitted: readonly PlatformEvent[]
  /** waits until each partition has a closed segment, which a generation can count */
  closed(): Promise<void>
  publish(mode: 'full' | 'incremental', more?: Pick<BatchRunOptions, 'recount' | 'stateFileBytes'>): Promise<void>
  close(): Promise<void>
}

export async function openGenerated(options: GeneratedPlatformOptions): Promise<GeneratedPlatform> {
  const { engine, definition, clock } = options
  const folder = mkdtempSync(join(options.folder, 'case-'))
  const compiling = await engine.connect()
  const dataset = await compileDataset(definition, compiling)
  compiling.close()
  const { name } = definition
  const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: name, partitions: PARTITIONS, clock })
  const lake =
    (await options.openLake?.(name)) ?? (await LocalLake.open({ folder: join(folder, 'lake'), dataset: name }))
  const store = await SqliteSpeedStore.open({ file: join(folder, 'speed.sqlite'), dataset: name, log: log.identity })
  const dictionary = await SqliteDictionary.open({ file: join(folder, 'dictionary.sqlite') })
  const faults: PlatformEvent[] = []
  const emitted: PlatformEvent[] = []
  const emit = (event: PlatformEvent): void => {
    emitted.push(event)
    if (event.level === 'error') faults.push(event)
  }
  const parts = { engine, dataset, lake, log, store }
  const limits = {
    pollEveryMs: 2,
    flushEveryMs: 5,
    flushBehindEveryMs: 5,
    batchRecordsMax: options.batchRecordsMax ?? 10,
    // Some micro-batches have a table of their own, others not.
    ownTableRecordsMin: 6,
    segmentRecordsMax: options.segmentRecordsMax,
  }
  const stream = new StreamRole({ ...parts, scratchFolder: scratch(folder, 'stream'), limits, emit })
  await stream.start()
  const served = { ...parts, partitions: PARTITIONS }
  const live = options.resident
    ? new LiveAnswers(new LiveDataset({ ...served, scratchFolder: scratch(folder, 'serve') }))
    : undefined
  live?.start()
  const app = buildServeApp({
    datasets: new Map([[name, { ...served, ...(live === undefined ? {} : { live }) }]]),
    intakes: null,
    parts: async () => [],
    scratchFolder: folder,
    metrics: new Metrics(),
    emit,
    limits: options.serveLimits,
  })
  const deriving = await engine.connect()
  const deriver =
    dataset.deciding === null ? null : new EventDeriver(deriving, dataset.deciding, scratch(folder, 'intake'))
  return {
    app,
    live,
    lake,
    folder,
    intake: new Intake({ dataset, log, deriver }),
    faults,
    emitted,
    closed: async () => {
      const isClosed = async (): Promise<boolean> => (await lake.chains(PARTITIONS)).every(({ end }) => end > 0)
      await until('each partition has a closed segment', isClosed)
    },
    publish: async (mode, more) => {
      await runBatch({
        ...parts,
        ...more,
        mode,
        dictionary,
        partitions: PARTITIONS,
        logIdentity: log.identity,
        emit,
        clock,
      })
    },
    close: async () => {
      await app.close()
      await live?.stop()
      await stream.stop()
      await store.close()
      await dictionary.close()
      await log.close()
      deriving.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function scratch(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}
