/**
 * The schedule shared by several processes: BullMQ on Redis gives each job to one of them. Redis only triggers runs; the manifests decide
 * whether a run is due, and the lake's lock allows one run at a time, so lost, duplicated or redelivered jobs are harmless:
 *   - a job that finds the lock held is postponed, not failed;
 *   - if a worker dies, another one takes over its job, however often this happens;
 *   - schedules are recreated at start, after a reconnection, and if they are missing; due runs that are not queued are added.
 */
import { DelayedError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { endsWithin } from '#core/ends-within.ts'
import { connectRedis } from '#storage/redis/redis-connection.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { BATCH_QUEUE_PREFIX, type BatchJob, BatchQueue, type BatchRunJob, batchQueueName } from './bullmq-queue.ts'
import { CLOCKS_APART_MS_MAX, DueRuns } from './due-runs.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchProgress } from './run-batch.ts'
import type { BatchSchedule, BatchScheduleOptions, ScheduleState } from './schedule.ts'

export interface BullMqScheduleOptions extends BatchScheduleOptions {
  /** redis://[[user]:password@]host[:port][/database]; its maxmemory-policy must be noeviction */
  readonly url: string
  /** prefix of all its keys; default BATCH_QUEUE_PREFIX */
  readonly prefix?: string
  readonly times?: Partial<BullMqTimes>
}

/** All in ms. */
export interface BullMqTimes {
  /** how often it checks that the schedules exist and that every due run is queued */
  readonly lookEveryMs: number
  /** a job of a worker that was silent for this long is given to another one */
  readonly workerSilentMsMax: number
  /** how long a job that found the lock held is postponed */
  readonly postponeMs: number
  /** before the first retry of a failed run; doubles each time */
  readonly retryMs: number
}

export const BULLMQ_TIMES: BullMqTimes = {
  lookEveryMs: 30_000,
  workerSilentMsMax: 30_000,
  postponeMs: 15_000,
  retryMs: 10_000,
}
/** attempts of one job; after that the next due time, or the next check, creates another */
const ATTEMPTS_MAX = 5
/** number of worker deaths that a job survives: practically unlimited */
const WORKER_DEATHS_MAX = 1_000_000
/** how long a stop waits to release its job in Redis; an unreleased job is given to another worker after workerSilentMsMax */
const CLOSE_MS_MAX = 5_000

/** The outcome of a job: done, with a human-readable sentence, or left to a later attempt or another worker. */
type JobOutcome = { readonly done: string } | { readonly postponeMs: number }

export class BullMqSchedule implements BatchSchedule {
  readonly #options: BullMqScheduleOptions
  readonly #times: BullMqTimes
  readonly #runs: DueRuns
  readonly #emit: Emit
  readonly #stop = new AbortController()
  readonly #queue: BatchQueue
  #client: Redis | null = null
  #worker: Worker<BatchJob, string, BatchMode> | null = null
  #looking: Promise<void> = Promise.resolve()
  #running: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | null = null
  #asleep: string | null = 'it has not been started yet'

  /** @throws RangeError for an invalid pattern; RedisFault 'refused' if the URL is invalid */
  constructor(options: BullMqScheduleOptions) {
    const { url, prefix = BATCH_QUEUE_PREFIX, emit = silent, lake } = options
    this.#options = options
    this.#emit = emit
    this.#times = { ...BULLMQ_TIMES, ...options.times }
    this.#runs = new DueRuns(options)
    this.#queue = new BatchQueue({
      dataset: lake.dataset,
      prefix,
      patterns: this.#runs.patterns,
      attempts: ATTEMPTS_MAX,
      retryMs: this.#times.retryMs,
      redis: { url, onReady: () => void this.#look({ again: true }), onLost: (message) => this.#fallAsleep(message) },
    })
  }

  start(): void {
    const { url, prefix = BATCH_QUEUE_PREFIX, lake } = this.#options
    const { workerSilentMsMax } = this.#times
    // A worker's requests wait while Redis is unavailable, so that it continues where it was.
    const patient = { maxRetriesPerRequest: null, commandTimeout: undefined, connectionName: 'watershed-batch' }
    this.#client = connectRedis({ url }, patient)
    this.#worker = new Worker(batchQueueName(lake.dataset), (job, token) => this.#work(job, token!), {
      connection: this.#client,
      prefix,
      concurrency: 1,
      lockDuration: workerSilentMsMax,
      stalledInterval: workerSilentMsMax,
      maxStalledCount: WORKER_DEATHS_MAX,
    })
    this.#worker.on('error', (error) => this.#tell('debug', `a request to Redis failed: ${error.message}`))
    this.#worker.on('stalled', (id) =>
      this.#tell('warn', `the worker of job ${id} died; another worker takes over the job`),
    )
    this.#timer = setInterval(() => void this.#look({ again: false }), this.#times.lookEveryMs)
    void this.#look({ again: true })
  }

  /** Resolves when the queue has a job for every due run. */
  wake(): Promise<void> {
    return this.#look({ again: false })
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the batch schedule was stopped'))
    if (this.#timer) clearInterval(this.#timer)
    await this.#running.catch(() => {})
    await this.#looking
    await this.#closeWorker()
    this.#client?.disconnect()
    await this.#queue.close()
  }

  state(): ScheduleState {
    return { ...this.#runs.state(), asleep: this.#asleep }
  }

  /** Does not wait for an unavailable Redis. */
  async #closeWorker(): Promise<void> {
    const closing = this.#worker?.close(this.#asleep !== null) ?? Promise.resolve()
    await endsWithin(closing, CLOSE_MS_MAX)
  }

  /** Sequential. @param again also updates existing schedules */
  #look(how: { readonly again: boolean }): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookNow(how.again))
    return this.#looking
  }

  async #lookNow(again: boolean): Promise<void> {
    if (this.#stop.signal.aborted || this.#worker === null) return
    try {
      if (again || !(await this.#queue.hasSchedulers())) await this.#queue.assertSchedulers()
      this.#asleep = null
    } catch (error) {
      return this.#fallAsleep(error instanceof Error ? error.message : String(error))
    }
    try {
      const added = await this.#queue.addDue(await this.#runs.due())
      if (added.length > 0) this.#tell('info', `added due runs to the queue: ${added.join(', ')}`)
    } catch (error) {
      this.#tell(
        'warn',
        `cannot determine which runs are due: ${error instanceof Error ? error.message : error}; retrying`,
      )
    }
  }

  async #work(job: BatchRunJob, token: string): Promise<string> {
    const working = this.#outcomeOf(job)
    this.#running = working
    const outcome = await working
    if ('done' in outcome) return outcome.done
    await job.moveToDelayed(Date.now() + outcome.postponeMs, token)
    throw new DelayedError()
  }

  /** @throws the reason why the run failed: the job is retried */
  async #outcomeOf(job: BatchRunJob): Promise<JobOutcome> {
    const { signal } = this.#stop
    try {
      signal.throwIfAborted()
      const due = await this.#runs.due(this.#timeOf(job))
      if (!due.some(({ mode }) => mode === job.name)) return { done: 'no longer due: another run has finished since' }
      const generation = await this.#runs.run(job.name, signal, (progress) => this.#report(job, progress))
      if (generation === null) return { postponeMs: this.#times.postponeMs }
      return { done: `generation ${generation.id} is current` }
    } catch (error) {
      if (signal.aborted) return { postponeMs: 0 }
      throw error
    }
  }

  /** The time for which due runs are determined: now, or the job's due time if the clock of the scheduler is slightly ahead. */
  #timeOf(job: BatchRunJob): number {
    const { nowMs } = this.#runs
    const dueMs = job.opts.prevMillis ?? 0
    return dueMs - nowMs < CLOCKS_APART_MS_MAX ? Math.max(nowMs, dueMs) : nowMs
  }

  #report(job: BatchRunJob, { name, done, total }: Pick<BatchProgress, 'name' | 'done' | 'total'>): void {
    job.updateProgress({ name, done, total }).catch(() => {})
  }

  #fallAsleep(message: string): void {
    if (this.#asleep !== message && !this.#stop.signal.aborted)
      this.#tell('warn', `no batch run is triggered: ${message}; a running one continues`)
    this.#asleep = message
  }

  #tell(level: 'debug' | 'info' | 'warn', what: string): void {
    const { dataset } = this.#options.lake
    this.#emit({ name: 'batch-schedule', level, dataset, message: `batch schedule of '${dataset}': ${what}` })
  }
}
