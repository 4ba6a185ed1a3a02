/**
 * When batch runs happen: node-cron in UTC wakes it, the manifests decide what is due. So a missed night is caught up at start, a run
 * that another process made counts, and a failed one is tried again at the next waking. Never two runs at once.
 */
import { createTask, type ScheduledTask } from 'node-cron'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { assertPattern, latestDueMs } from './due-time.ts'
import type { BatchMode } from './plan-run.ts'

export const INCREMENTAL_PATTERN = '*/5 * * * *'
export const FULL_PATTERN = '0 2 * * *'

export interface BatchScheduleOptions {
  readonly lake: Lake
  /** one batch run (runBatch with the role's parts); null when another process holds the lock */
  readonly run: (mode: BatchMode, signal: AbortSignal) => Promise<GenerationManifest | null>
  /** merges small segments; called after each full run */
  readonly compact?: (signal: AbortSignal) => Promise<unknown>
  /** called with each generation that a run published, after compaction; the schedule waits for it */
  readonly afterRun?: (generation: GenerationManifest) => Promise<void> | void
  /** cron patterns in UTC, with or without seconds; null: never */
  readonly incrementalPattern?: string | null
  readonly fullPattern?: string | null
  readonly emit?: Emit
  readonly clock?: () => number
}

export class BatchSchedule {
  readonly #options: BatchScheduleOptions
  readonly #patterns: Readonly<Record<BatchMode, string | null>>
  readonly #emit: Emit
  readonly #stop = new AbortController()
  #tasks: ScheduledTask[] = []
  #running: Promise<void> | null = null
  #wokenAgain = false

  /** @throws RangeError for a pattern that is none */
  constructor(options: BatchScheduleOptions) {
    const { incrementalPattern = INCREMENTAL_PATTERN, fullPattern = FULL_PATTERN, emit = silent } = options
    if (incrementalPattern !== null) assertPattern(incrementalPattern, 'incremental schedule')
    if (fullPattern !== null) assertPattern(fullPattern, 'full schedule')
    this.#options = options
    this.#patterns = { incremental: incrementalPattern, full: fullPattern }
    this.#emit = emit
  }

  /** Runs at once what is due already, then at each due time until `stop`. */
  start(): void {
    for (const pattern of Object.values(this.#patterns)) {
      if (pattern === null) continue
      const task = createTask(pattern, () => this.wake(), { timezone: 'UTC', suppressMissedWarning: true })
      this.#tasks.push(task)
      void task.start()
    }
    void this.wake()
  }

  /** Starts nothing more, stops the running statement, and waits until the run has cleaned up. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the batch schedule was stopped'))
    for (const task of this.#tasks.splice(0)) await task.destroy()
    await this.#running
  }

  /** Runs what is due now; while a run is going on, looks again when it is over. Never rejects: failures are emitted. */
  wake(): Promise<void> {
    if (this.#running) {
      this.#wokenAgain = true
      return this.#running
    }
    this.#running = this.#runUntilDone().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #runUntilDone(): Promise<void> {
    do {
      this.#wokenAgain = false
      const due = await this.#due().catch((error: unknown) => {
        this.#failed('incremental', error)
        return []
      })
      // A full run that fails must not hold up the incremental ones: the boundary has to go on.
      for (const mode of due) if (await this.#run(mode)) break
    } while (this.#wokenAgain && !this.#stop.signal.aborted)
  }

  /** What to try, in this order, until one succeeds. */
  async #due(): Promise<readonly BatchMode[]> {
    const generations = await this.#options.lake.generations()
    if (generations.length === 0) return ['incremental']
    const newest = Math.max(...generations.map((generation) => generation.finishedAtMs))
    const newestFull = Math.max(...generations.map(fullFinishedAtMs))
    const modes: BatchMode[] = []
    if (this.#isDue('full', newestFull)) modes.push('full')
    if (this.#isDue('incremental', newest)) modes.push('incremental')
    return modes
  }

  #isDue(mode: BatchMode, finishedAtMs: number): boolean {
    const pattern = this.#patterns[mode]
    const dueMs = pattern === null ? null : latestDueMs(pattern, (this.#options.clock ?? Date.now)())
    return dueMs !== null && finishedAtMs < dueMs
  }

  /** @returns whether the mode needs no other one in its place */
  async #run(mode: BatchMode): Promise<boolean> {
    const { lake, run, compact, afterRun } = this.#options
    const { signal } = this.#stop
    if (signal.aborted) return true
    try {
      const before = await lake.current()
      const generation = await run(mode, signal)
      if (generation === null || generation.id === before?.id) return true
      if (generation.mode === 'full') await compact?.(signal)
      await afterRun?.(generation)
      return true
    } catch (error) {
      if (!signal.aborted) this.#failed(mode, error)
      return signal.aborted
    }
  }

  #failed(mode: BatchMode, error: unknown): void {
    this.#emit({
      name: 'batch-failed',
      level: 'error',
      dataset: this.#options.lake.dataset,
      message: `${mode} batch run of '${this.#options.lake.dataset}' failed: ${error instanceof Error ? error.message : error}. The generation before it stays current; the next due time tries again`,
      fields: { mode },
    })
  }
}

function fullFinishedAtMs(generation: GenerationManifest): number {
  return generation.fullFinishedAtMs ?? (generation.mode === 'full' ? generation.finishedAtMs : 0)
}
