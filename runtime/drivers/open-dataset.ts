/** The parts of one dataset, opened as the configuration chooses: log, speed store, lake. */
import type { CompiledDataset } from '#core/compiled.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'
import { openLog } from './open-log.ts'
import { openSpeedStore } from './open-speed-store.ts'

export interface OpenDataset {
  readonly dataset: CompiledDataset
  /** of the log at this moment: a log on Kafka can get more */
  readonly partitions: number
  readonly log: EventLog
  readonly store: SpeedStore
  readonly lake: Lake
  readonly engine: DuckDbEngine
}

export interface OpenDatasetOptions {
  readonly dataset: CompiledDataset
  readonly folder: DataFolder
  readonly configuration: Configuration
  readonly engine: DuckDbEngine
  readonly emit: Emit
  readonly step?: StepHook
  /** the log, if it is already open; it is closed with the dataset */
  readonly log?: EventLog
}

/** @throws if a component cannot be opened; the message names it and what to do */
export async function openDataset(options: OpenDatasetOptions): Promise<OpenDataset> {
  const { dataset, folder, configuration, engine, emit, step = noSteps } = options
  const shared = { dataset: dataset.name, folder, configuration, emit, step }
  const log = options.log ?? (await openLog(shared))
  let store: SpeedStore | null = null
  try {
    store = await openSpeedStore({ ...shared, log: log.identity })
    const lake = await LocalLake.open({ folder: folder.lakeFolder, dataset: dataset.name, step })
    return {
      dataset,
      get partitions() {
        return log.partitions
      },
      log,
      store,
      lake,
      engine,
    }
  } catch (error) {
    await store?.close()
    await log.close()
    throw error
  }
}

export async function closeDataset(open: OpenDataset): Promise<void> {
  await open.log.close()
  await open.store.close()
}
