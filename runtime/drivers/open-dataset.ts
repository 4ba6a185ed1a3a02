/** The parts of one dataset, opened as the configuration chooses: log, speed store, lake. */
import type { CompiledDataset } from '#core/compiled.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import { LateSpeedStore } from '#storage/speed-store/late-speed-store.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'
import { openLake } from './open-lake.ts'
import { openLog } from './open-log.ts'
import { type OpenSpeedStoreOptions, openSpeedStore } from './open-speed-store.ts'

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
  /** late: a speed store that cannot be opened does not matter until it is used, and is tried again then */
  readonly speedStore?: 'now' | 'late'
}

/** Of a store that is opened late: how long each try takes, while somebody waits for an answer. */
const LATE_OPEN_MS_MAX = 5_000

/** @throws if a component cannot be opened; the message names it and what to do */
export async function openDataset(options: OpenDatasetOptions): Promise<OpenDataset> {
  const { dataset, folder, configuration, engine, emit, step = noSteps } = options
  const shared = { dataset: dataset.name, folder, configuration, emit, step }
  const log = options.log ?? (await openLog(shared))
  let store: SpeedStore | null = null
  try {
    const opened = { ...shared, log: log.identity }
    store = options.speedStore === 'late' ? lateStore(opened) : await openSpeedStore(opened)
    const lake = await openLake(shared)
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

function lateStore(options: OpenSpeedStoreOptions): SpeedStore {
  const { dataset, emit } = options
  const open = (): Promise<SpeedStore> => openSpeedStore({ ...options, openMsMax: LATE_OPEN_MS_MAX })
  const onFault = (message: string): void => emit({ name: 'speed-store-unavailable', level: 'warn', dataset, message })
  return new LateSpeedStore({ open, onFault })
}

export async function closeDataset(open: OpenDataset): Promise<void> {
  await open.log.close()
  await open.store.close()
}
