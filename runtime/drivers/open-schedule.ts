/** The schedule of batch runs that the configuration chooses. A driver's library is loaded only where it is chosen. */
import { CronSchedule } from '#batch-layer/cron-schedule.ts'
import type { BatchSchedule, BatchScheduleOptions } from '#batch-layer/schedule.ts'
import type { Configuration } from '../settings.ts'

/** Made, not started. @throws RangeError for a cron pattern that is none */
export async function openSchedule(
  configuration: Configuration,
  options: BatchScheduleOptions,
): Promise<BatchSchedule> {
  if (configuration.schedule === 'node-cron') return new CronSchedule(options)
  const { BullMqSchedule } = await import('#batch-layer/bullmq-schedule.ts')
  const { url } = configuration.redis
  return new BullMqSchedule({ ...options, url, prefix: queuePrefixOf(configuration) })
}

/** BullMQ puts a colon of its own behind it. */
export function queuePrefixOf({ redis }: Pick<Configuration, 'redis'>): string {
  return redis.keyPrefix.replace(/:+$/, '') || 'watershed'
}
