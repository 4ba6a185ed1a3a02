/** The embedded parts of one dataset, opened on the data folder: log, speed store, lake. The composition of the ports with their drivers. */
import type { CompiledDataset } from '#core/compiled.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { LocalLake } from '#storage/lake/local-lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { SqliteLog } from '#storage/log/sqlite-log.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite-speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { DataFolder } from './data-folder.ts'
import type { Configuration } from './settings.ts'

export interface OpenDataset {
  readonly dataset: CompiledDataset
  readonly partitions: number
  readonly log: EventLog
  readonly store: SpeedStore
  readonly lake: Lake
  readonly engine: DuckDbEngine
}

export interface OpenDatasetOptions {
  readonly dataset: CompiledDataset
  readonly folder: DataFolder
  readonly configuration: Pick<Configuration, 'partitions' | 'recordBytesMax' | 'inFlightBytesMax'>
  readonly engine: DuckDbEngine
  readonly emit: Emit
  readonly step?: StepHook
}

/** @throws when a part can not be opened; the message names its file and what to do */
export async function openDataset(options: OpenDatasetOptions): Promise<OpenDataset> {
  const { dataset, folder, configuration, engine, emit, step = noSteps } = options
  const { partitions, recordBytesMax } = configuration
  const name = dataset.name
  const log = await SqliteLog.open({ file: folder.logFile(name), dataset: name, partitions, recordBytesMax, step })
  try {
    const store = await SqliteSpeedStore.open({
      file: folder.speedFile(name),
      log: log.identity,
      dataset: name,
      step,
      onRebuilt: (message) => emit({ name: 'speed-store-rebuilt', level: 'warn', dataset: name, message }),
    })
    const lake = await LocalLake.open({ folder: folder.lakeFolder, dataset: name, step })
    return { dataset, partitions, log, store, lake, engine }
  } catch (error) {
    await log.close()
    throw error
  }
}

export async function closeDataset(open: OpenDataset): Promise<void> {
  await open.log.close()
  await open.store.close()
}
