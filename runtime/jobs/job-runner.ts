/** Runs the jobs of one dataset that somebody asked for, one after the other, and notes those of the schedule, so that all are in one list. */
import type { JobLedger } from '#storage/jobs/job-ledger.ts'
import type { JobProgress, JobRecord } from '#storage/jobs/job-record.ts'

/** Ends the job as cancelled. */
export class JobCancelledError extends Error {
  constructor() {
    super('the job was cancelled')
    this.name = 'JobCancelledError'
  }
}

export type JobWork = (signal: AbortSignal, onProgress: (progress: JobProgress) => void) => Promise<JobOutcome>

export interface JobOutcome {
  /** what it made, as a sentence; null: nothing, so that a scheduled job need not be listed */
  readonly outcome: string | null
}

export interface JobRunnerParts {
  readonly ledger: JobLedger
  /** the work of a job that was asked for */
  readonly work: (job: JobRecord) => JobWork
  /** how often waiting jobs are looked for, and what a running one does is noted; default: as the ledger says */
  readonly lookEveryMs?: number
}

export class JobRunner {
  readonly #parts: JobRunnerParts
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #running: Promise<unknown> = Promise.resolve()

  constructor(parts: JobRunnerParts) {
    this.#parts = parts
  }

  start(): void {
    this.#look()
  }

  /** A running job is stopped, and listed as failed. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the process was stopped; start the job again'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#running
  }

  /**
   * Work of the schedule, listed while it runs, and afterwards if it made something or failed.
   * @throws what the work throws; JobCancelledError
   */
  async noted(wanted: Pick<JobRecord, 'kind' | 'mode'>, signal: AbortSignal, work: JobWork): Promise<void> {
    const { ledger } = this.#parts
    const job = await ledger.begin(wanted).catch(() => null)
    // Where jobs cannot be noted, the schedule goes on without.
    if (job === null) return void (await work(signal, () => {}))
    const ended = await this.#run(job, signal, work)
    if (ended.thrown !== null) throw ended.thrown
  }

  get #lookEveryMs(): number {
    return this.#parts.lookEveryMs ?? this.#parts.ledger.lookEveryMs
  }

  #look(): void {
    this.#running = this.#runWaiting().catch(() => {})
    void this.#running.then(() => {
      if (this.#stopping.signal.aborted) return
      this.#timer = setTimeout(() => this.#look(), this.#lookEveryMs)
    })
  }

  async #runWaiting(): Promise<void> {
    const { ledger, work } = this.#parts
    await ledger.runnerLooked()
    for (;;) {
      if (this.#stopping.signal.aborted) return
      const job = await ledger.claim()
      if (job === null) return
      await this.#run(job, this.#stopping.signal, work(job))
      await ledger.prune()
    }
  }

  async #run(job: JobRecord, outer: AbortSignal, work: JobWork): Promise<{ readonly thrown: unknown }> {
    const { ledger } = this.#parts
    const cancelled = new AbortController()
    let progress: JobProgress | null = null
    const note = async (): Promise<void> => {
      await ledger.runnerLooked()
      await ledger.put({ ...job, progress, updatedAtMs: Date.now() })
      if (await ledger.isCancelAsked(job.id)) cancelled.abort(new JobCancelledError())
    }
    let noting = Promise.resolve()
    const timer = setInterval(() => {
      noting = noting.then(note).catch(() => {})
    }, this.#lookEveryMs)
    let thrown: unknown = null
    let outcome: string | null = null
    try {
      const signal = AbortSignal.any([outer, cancelled.signal])
      outcome = (await work(signal, (told) => (progress = progressOf(told)))).outcome
    } catch (error) {
      // What was stopped says only that it was.
      thrown = [cancelled.signal, outer].find(({ aborted }) => aborted)?.reason ?? error
    } finally {
      clearInterval(timer)
      await noting
    }
    await this.#end(job, progress, outcome, thrown).catch(() => {})
    return { thrown }
  }

  async #end(job: JobRecord, progress: JobProgress | null, outcome: string | null, thrown: unknown): Promise<void> {
    const { ledger } = this.#parts
    if (job.by === 'schedule' && thrown === null && outcome === null) return ledger.remove(job.id)
    const state = thrown === null ? 'done' : thrown instanceof JobCancelledError ? 'cancelled' : 'failed'
    const fault = state === 'failed' ? (thrown as Error).message : null
    const nowMs = Date.now()
    await ledger.put({ ...job, state, progress, outcome, fault, updatedAtMs: nowMs, finishedAtMs: nowMs })
    if (job.by === 'schedule') await ledger.prune()
  }
}

/** Without what else a batch run tells. */
function progressOf({ name, done, total, leftMs }: JobProgress): JobProgress {
  return { name, done, total, leftMs }
}
