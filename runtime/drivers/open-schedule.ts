/** The schedule of batch runs that the configuration chooses. A driver's library is loaded only where it is chosen. */
import { CronSchedule } from '#batch-layer/cron-schedule.ts'
import type { BatchSchedule, BatchScheduleOptions } from '#batch-layer/schedule.ts'
import { endsWithin } from '#core/ends-within.ts'
import { type Configuration, patternOf } from '../settings/settings.ts'

/** Creates it without starting it. @throws RangeError for an invalid cron pattern */
export async function openSchedule(
  configuration: Configuration,
  options: BatchScheduleOptions,
): Promise<BatchSchedule> {
  if (configuration.schedule === 'node-cron') return new CronSchedule(options)
  const { BullMqSchedule } = await import('#batch-layer/bullmq-schedule.ts')
  const { url } = configuration.redis
  return new BullMqSchedule({ ...options, url, prefix: queuePrefixOf(configuration) })
}

const LOOK_MS_MAX = 5_000

/** The state of a shared schedule, for doctor. */
export interface ScheduleLook {
  /** whether the schedules are there, as they are configured. @throws RedisFault */
  hasSchedules(): Promise<boolean>
  close(): Promise<void>
}

/** null: each process has its own schedule, so there is nothing to check */
export async function openScheduleLook(configuration: Configuration, dataset: string): Promise<ScheduleLook | null> {
  if (configuration.schedule === 'node-cron') return null
  const { BatchQueue } = await import('#batch-layer/bullmq-queue.ts')
  const { RedisFault, redisFault } = await import('#storage/redis/redis-fault.ts')
  const { url } = configuration.redis
  // The queue itself waits for Redis as long as it takes.
  const lost = Promise.withResolvers<never>()
  lost.promise.catch(() => {})
  const queue = new BatchQueue({
    dataset,
    redis: { url, onLost: (message) => lost.reject(new RedisFault('unreachable', message)) },
    prefix: queuePrefixOf(configuration),
    patterns: { incremental: configuration.batchIncrementalCron, full: patternOf(configuration.batchFullCron) },
    // It adds no job.
    ...{ attempts: 1, retryMs: 0 },
  })
  return {
    hasSchedules: async () => {
      const doing = `reading the schedules of '${dataset}'`
      const found = Promise.race([queue.hasSchedulers(), lost.promise])
      try {
        if (await endsWithin(found, LOOK_MS_MAX)) return await found
      } catch (error) {
        throw redisFault(url, doing, error)
      }
      throw redisFault(url, doing, new Error('it timed out'))
    },
    close: () => queue.close(),
  }
}

/** BullMQ puts a colon of its own behind it. */
export function queuePrefixOf({ redis }: Pick<Configuration, 'redis'>): string {
  return redis.keyPrefix.replace(/:+$/, '') || 'watershed'
}
