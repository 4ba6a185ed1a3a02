/** The schedule of one process, triggered by node-cron in UTC. Never two runs at once. */
import { createTask, type ScheduledTask } from 'node-cron'
import { DueRuns } from './due-runs.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchSchedule, BatchScheduleOptions, ScheduleState } from './schedule.ts'

export class CronSchedule implements BatchSchedule {
  readonly #runs: DueRuns
  readonly #stop = new AbortController()
  #tasks: ScheduledTask[] = []
  #running: Promise<void> | null = null
  #wokenAgain = false

  /** @throws RangeError for an invalid pattern */
  constructor(options: BatchScheduleOptions) {
    this.#runs = new DueRuns(options)
  }

  start(): void {
    for (const pattern of Object.values(this.#runs.patterns)) {
      if (pattern === null) continue
      const task = createTask(pattern, () => this.wake(), { timezone: 'UTC', suppressMissedWarning: true })
      this.#tasks.push(task)
      void task.start()
    }
    void this.wake()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the batch schedule was stopped'))
    for (const task of this.#tasks.splice(0)) await task.destroy()
    await this.#running
  }

  state(): ScheduleState {
    return { ...this.#runs.state(), asleep: null }
  }

  /** Runs what is due now; during a run, checks again when it has finished. Resolves when nothing is left to do. */
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
      const due = await this.#runs.due().catch((error: unknown) => {
        this.#runs.failed('incremental', error)
        return []
      })
      // A failing full run must not block the incremental ones: the boundary must advance.
      for (const { mode } of due) if (this.#stop.signal.aborted || (await this.#run(mode))) break
    } while (this.#wokenAgain && !this.#stop.signal.aborted)
  }

  /** @returns whether no other mode has to run in its place */
  #run(mode: BatchMode): Promise<boolean> {
    return this.#runs.run(mode, this.#stop.signal).then(
      () => true,
      () => this.#stop.signal.aborted,
    )
  }
}
