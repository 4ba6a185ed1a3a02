/**
 * The schedule of several processes: BullMQ on Redis hands each job to one of them. Redis only wakes them; the manifests say whether a
 * run is due at all, and the lake's lock lets one go on at a time, so jobs may be lost, doubled or handed out twice without harm:
 *   - a job that finds the lock held is postponed, not failed;
 *   - a worker that dies leaves its job to the next one, however often that happens;
 *   - schedules are asserted at start, whenever Redis is back, and where they are missing; what is due and not taken up is added.
 */
import { DelayedError, Worker } from 'bullmq'
import type { Redis } from 'ioredis'
import { connectRedis } from '#storage/redis/redis-connection.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { BATCH_QUEUE_PREFIX, type BatchJob, BatchQueue, type BatchRunJob, batchQueueName } from './bullmq-queue.ts'
import { DueRuns } from './due-runs.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchProgress } from './run-batch.ts'
import type { BatchSchedule, BatchScheduleOptions, ScheduleState } from './schedule.ts'

export interface BullMqScheduleOptions extends BatchScheduleOptions {
  /** redis://[[user]:password@]host[:port][/database]; its maxmemory-policy must be noeviction */
  readonly url: string
  /** what all its keys begin with; default BATCH_QUEUE_PREFIX */
  readonly prefix?: string
  readonly times?: Partial<BullMqTimes>
}

/** All in ms. */
export interface BullMqTimes {
  /** how often it looks whether the schedules are there and something is due that nobody has taken up */
  readonly lookEveryMs: number
  /** a job of a worker that has said nothing for so long is another one's */
  readonly workerSilentMsMax: number
  /** how long a job waits that found the lock held */
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
/** tries of one job; after that the next due time, or the next look, makes another */
const ATTEMPTS_MAX = 5
/** deaths of its workers that a job survives: as good as all of them */
const WORKER_DEATHS_MAX = 1_000_000
/** a due time of the scheduler's clock that ours has not reached yet counts as reached */
const CLOCKS_APART_MS_MAX = 60_000
/** how long a stop waits until Redis knows of it; a job that it does not know of is taken up after workerSilentMsMax */
const CLOSE_MS_MAX = 5_000

/** What becomes of a job: it is over, with a sentence for people, or another time or worker makes it. */
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
  #asleep: string | null = 'it was not started yet'

  /** @throws RangeError for a pattern that is none; RedisFault 'refused' when the URL is none */
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
    // Of a worker, requests wait as long as Redis is away: it goes on where it was.
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
    this.#worker.on('stalled', (id) => this.#tell('warn', `the worker of job ${id} is gone; another one takes it up`))
    this.#timer = setInterval(() => void this.#look({ again: false }), this.#times.lookEveryMs)
    void this.#look({ again: true })
  }

  /** Resolves when jobs for all that is due are in the queue. */
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

  /** Without waiting for a Redis that is away. */
  async #closeWorker(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS_MAX)
    })
    await Promise.race([this.#worker?.close(this.#asleep !== null), late])
    clearTimeout(timer)
  }

  /** One after the other. @param again asserts the schedules also where they are */
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
      if (added.length > 0) this.#tell('info', `due and not taken up: ${added.join(', ')}; added to the queue`)
    } catch (error) {
      this.#tell('warn', `can not tell what is due: ${error instanceof Error ? error.message : error}; looks again`)
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

  /** @throws why the run failed: the job is tried again */
  async #outcomeOf(job: BatchRunJob): Promise<JobOutcome> {
    const { signal } = this.#stop
    try {
      signal.throwIfAborted()
      const due = await this.#runs.due(this.#timeOf(job))
      if (!due.some(({ mode }) => mode === job.name)) return { done: 'not due any more: a run since then counts' }
      const generation = await this.#runs.run(job.name, signal, (progress) => this.#report(job, progress))
      if (generation === null) return { postponeMs: this.#times.postponeMs }
      return { done: `generation ${generation.id} is current` }
    } catch (error) {
      if (signal.aborted) return { postponeMs: 0 }
      throw error
    }
  }

  /** The moment of which due times are asked: now, or when the job was due, if only the clocks are a little apart. */
  #timeOf(job: BatchRunJob): number {
    const { nowMs } = this.#runs
    const dueMs = job.opts.prevMillis ?? 0
    return dueMs - nowMs < CLOCKS_APART_MS_MAX ? Math.max(nowMs, dueMs) : nowMs
  }

  #report(job: BatchRunJob, { name, done, total }: BatchProgress): void {
    job.updateProgress({ name, done, total }).catch(() => {})
  }

  #fallAsleep(message: string): void {
    if (this.#asleep !== message && !this.#stop.signal.aborted)
      this.#tell('warn', `no batch run is woken: ${message}; a run that goes on is not stopped`)
    this.#asleep = message
  }

  #tell(level: 'debug' | 'info' | 'warn', what: string): void {
    const { dataset } = this.#options.lake
    this.#emit({ name: 'batch-schedule', level, dataset, message: `batch schedule of '${dataset}': ${what}` })
  }
}
