/**
 * The queue of a dataset's batch runs on Redis: one job scheduler per mode, in UTC, and jobs for runs that are due according to the
 * manifests and not queued yet. Missing schedulers are recreated, so the schedules recover automatically after Redis was emptied.
 */
import { type Job, type JobsOptions, Queue } from 'bullmq'
import type { Redis } from 'ioredis'
import { connectRedis, type RedisConnectionOptions } from '#storage/redis/redis-connection.ts'
import { CLOCKS_APART_MS_MAX, type DueRun } from './due-runs.ts'
import { nextDueMs } from './due-time.ts'
import type { BatchMode } from './plan-run.ts'

/** default key prefix of the queues in Redis */
export const BATCH_QUEUE_PREFIX = 'watershed'

/** number of newest jobs of a queue that are examined and, when they have finished, kept */
const JOBS_KEPT_MAX = 100
/** a run that failed permanently is not started again earlier than this */
const FAILED_REST_MS = 300_000

export interface BatchJob {
  readonly dataset: string
}
/** A run of one mode, which is its name; the result is a human-readable sentence. */
export type BatchRunJob = Job<BatchJob, string, BatchMode>

export interface BatchQueueOptions {
  readonly dataset: string
  readonly redis: RedisConnectionOptions
  readonly prefix: string
  readonly patterns: Readonly<Record<BatchMode, string | null>>
  readonly attempts: number
  /** of the first retry, ms; doubles each time */
  readonly retryMs: number
}

/** The name of a dataset's queue in BullMQ, also for the job board. */
export function batchQueueName(dataset: string): string {
  return `batch-${dataset}`
}

export class BatchQueue {
  readonly #client: Redis
  readonly #queue: Queue<BatchJob, string, BatchMode>
  readonly #options: BatchQueueOptions
  readonly #jobOptions: JobsOptions

  /** Does not wait for Redis. @throws RedisFault 'refused' if the URL is invalid */
  constructor(options: BatchQueueOptions) {
    this.#options = options
    const { attempts, retryMs } = options
    this.#jobOptions = {
      attempts,
      backoff: { type: 'exponential', delay: retryMs },
      removeOnComplete: { count: JOBS_KEPT_MAX },
      removeOnFail: { count: JOBS_KEPT_MAX },
    }
    this.#client = connectRedis(options.redis, { connectionName: 'watershed-schedule' })
    this.#queue = new Queue(batchQueueName(options.dataset), { connection: this.#client, prefix: options.prefix })
    // The connection reports its faults itself; an error event without a listener would end the process.
    this.#queue.on('error', () => {})
  }

  /** Creates or updates the schedulers to match the patterns. */
  async assertSchedulers(): Promise<void> {
    for (const [mode, pattern] of this.#patterns()) {
      if (pattern === null) await this.#queue.removeJobScheduler(mode)
      else {
        const job = { name: mode, data: { dataset: this.#options.dataset }, opts: this.#jobOptions }
        await this.#queue.upsertJobScheduler(mode, { pattern, tz: 'UTC' }, job)
      }
    }
  }

  /** Whether Redis has exactly the configured schedulers, and none of them waits for a time that a wrong clock gave it. */
  async hasSchedulers(): Promise<boolean> {
    const nowMs = Date.now()
    for (const [mode, pattern] of this.#patterns()) {
      const found = await this.#queue.getJobScheduler(mode)
      if ((found?.pattern ?? null) !== pattern) return false
      if (found && pattern !== null && !isSoonEnough(found.next ?? null, pattern, nowMs)) return false
    }
    return true
  }

  /** Adds a job for each due run, unless one is waiting, running, or has finished since. @returns the modes of the added jobs */
  async addDue(due: readonly DueRun[]): Promise<readonly BatchMode[]> {
    if (due.length === 0) return []
    const jobs = await this.#jobs()
    const nowMs = Date.now()
    const added = due.filter((run) => !jobs.some((job) => isTakenUp(job, run, nowMs)))
    for (const { mode } of added) await this.#queue.add(mode, { dataset: this.#options.dataset }, this.#jobOptions)
    return added.map(({ mode }) => mode)
  }

  async close(): Promise<void> {
    this.#client.disconnect()
    await this.#queue.close()
  }

  #patterns(): readonly (readonly [BatchMode, string | null])[] {
    return Object.entries(this.#options.patterns) as [BatchMode, string | null][]
  }

  async #jobs(): Promise<readonly KnownJob[]> {
    const known: KnownJob[] = []
    for (const state of STATES) {
      const jobs = (await this.#queue.getJobs([state], 0, JOBS_KEPT_MAX)) as (BatchRunJob | undefined)[]
      for (const job of jobs) if (job) known.push({ state, job })
    }
    return known
  }
}

const STATES = ['wait', 'prioritized', 'active', 'delayed', 'completed', 'failed'] as const

export interface KnownJob {
  readonly state: (typeof STATES)[number]
  readonly job: Pick<BatchRunJob, 'name' | 'finishedOn' | 'processedOn'>
}

/** Whether the job's run is the due one: it waits, runs, or finished since. What a job did in the future counts for nothing. */
export function isTakenUp({ state, job }: KnownJob, run: DueRun, nowMs: number): boolean {
  if (job.name !== run.mode) return false
  const isBelieved = (atMs: number): boolean => atMs <= nowMs + CLOCKS_APART_MS_MAX
  const { finishedOn = 0, processedOn } = job
  if (state === 'completed') return run.sinceMs > 0 && finishedOn >= run.sinceMs && isBelieved(finishedOn)
  if (state === 'failed') return finishedOn > nowMs - FAILED_REST_MS && isBelieved(finishedOn)
  if (state !== 'delayed') return true
  // The scheduler's next job is delayed and was never started; a delayed job that was started waits for its retry or for the lock.
  return processedOn !== undefined && isBelieved(processedOn)
}

/** The next time of a scheduler is not later than the pattern's by this machine's clock. */
function isSoonEnough(nextMs: number | null, pattern: string, nowMs: number): boolean {
  const dueMs = nextDueMs(pattern, nowMs + CLOCKS_APART_MS_MAX)
  return nextMs !== null && (dueMs === null || nextMs <= dueMs)
}
