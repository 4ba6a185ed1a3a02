/** The schedule of one process: node-cron in UTC wakes it. Never two runs at once. */
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

  /** @throws RangeError for a pattern that is none */
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

  /** Runs what is due now; while a run is going on, looks again when it is over. Resolves when nothing is left to do. */
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
      // A full run that fails must not hold up the incremental ones: the boundary has to go on.
      for (const { mode } of due) if (this.#stop.signal.aborted || (await this.#run(mode))) break
    } while (this.#wokenAgain && !this.#stop.signal.aborted)
  }

  /** @returns whether the mode needs no other one in its place */
  #run(mode: BatchMode): Promise<boolean> {
    return this.#runs.run(mode, this.#stop.signal).then(
      () => true,
      () => this.#stop.signal.aborted,
    )
  }
}
