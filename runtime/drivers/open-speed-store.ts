/** The speed store that the configuration chooses. A driver's library is loaded only where it is chosen. */
import type { StepHook } from '#core/steps.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import { SqliteSpeedStore } from '#storage/speed-store/sqlite/sqlite-speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import type { DataFolder } from './data-folder.ts'

export interface OpenSpeedStoreOptions {
  readonly dataset: string
  /** EventLog.identity */
  readonly log: string
  readonly folder: DataFolder
  readonly configuration: Configuration
  readonly emit: Emit
  readonly step: StepHook
  /** how long opening it may take, where that is less than an outage may last */
  readonly openMsMax?: number
}

/** @throws when it cannot be opened; the message says what to do */
export async function openSpeedStore(options: OpenSpeedStoreOptions): Promise<SpeedStore> {
  const { dataset, log, folder, configuration, emit, step, openMsMax } = options
  const onRebuilt = (message: string): void => emit({ name: 'speed-store-rebuilt', level: 'warn', dataset, message })
  if (configuration.speedStore === 'sqlite')
    return SqliteSpeedStore.open({ file: folder.speedFile(dataset), log, dataset, step, onRebuilt })
  const { ElasticsearchSpeedStore } = await import('#storage/speed-store/elasticsearch/elasticsearch-speed-store.ts')
  const { indexPrefix } = configuration.elasticsearch
  const connection = elasticsearchOf(configuration, dataset, emit)
  return ElasticsearchSpeedStore.open({ ...connection, indexPrefix, dataset, log, step, onRebuilt, openMsMax })
}

const REQUEST_MS_MAX = 30_000

/** How every client of Elasticsearch reaches it. */
export function elasticsearchOf({ elasticsearch }: Pick<Configuration, 'elasticsearch'>, dataset: string, emit: Emit) {
  const { node, replicas, outageMsMax } = elasticsearch
  const onRetry = (message: string): void => emit({ name: 'elasticsearch-retry', level: 'warn', dataset, message })
  return {
    node,
    auth: authOf(elasticsearch),
    replicas,
    onRetry,
    requestMsMax: Math.min(REQUEST_MS_MAX, outageMsMax),
    retry: { retryMsMax: outageMsMax },
  }
}

function authOf({ apiKey, username, password }: Configuration['elasticsearch']) {
  if (apiKey !== undefined) return { apiKey }
  return username === undefined || password === undefined ? null : { username, password }
}
