/** Those who share the recounts of a dataset, where the schedule is shared: every process with the batch role. */
import type { GroupedOptions, RecountWorkers } from '#batch-layer/grouped-recount.ts'
import type { CompiledDataset } from '#core/compiled.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { Configuration } from '../settings/settings.ts'
import { queuePrefixOf } from './open-schedule.ts'

export interface OpenRecount {
  readonly recount: Pick<GroupedOptions, 'groupRows' | 'workers'>
  stop(): Promise<void>
}

interface RecountParts {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly engine: DuckDbEngine
  readonly emit: Emit
}

/** Takes groups of others' runs from now on. Does not wait for Redis. */
export async function openRecount(configuration: Configuration, parts: RecountParts): Promise<OpenRecount> {
  const groupRows = configuration.recountGroupRows
  if (configuration.schedule === 'node-cron') return { recount: { groupRows }, stop: () => Promise.resolve() }
  const { RecountQueue, RecountWorker } = await import('#batch-layer/recount-queue.ts')
  const shared = { ...parts, url: configuration.redis.url, prefix: queuePrefixOf(configuration) }
  const workers: RecountWorkers & { close(): Promise<void> } = new RecountQueue(shared)
  const worker = new RecountWorker(shared)
  return {
    recount: { groupRows, workers },
    stop: async () => {
      await worker.stop()
      await workers.close()
    },
  }
}
