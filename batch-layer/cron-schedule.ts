/**
 * The schedule of one process, for cron patterns in UTC. Never two runs at once. It does not sleep until a due time, because the clock may
 * be changed in between: it reads the clock at least once a minute, and wakes when the latest due time has changed.
 */
import { DueRuns } from './due-runs.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchSchedule, BatchScheduleOptions, ScheduleState } from './schedule.ts'

/** a clock that was set is noticed within this time */
const LOOK_EVERY_MS_MAX = 60_000

export class CronSchedule implements BatchSchedule {
  readonly #runs: DueRuns
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | null = null
  /** the latest due times by which it was woken last; null: never woken */
  #wokenFor: string | null = null
  #running: Promise<void> | null = null
  #wokenAgain = false

  /** @throws RangeError for an invalid pattern */
  constructor(options: BatchScheduleOptions) {
    this.#runs = new DueRuns(options)
  }

  start(): void {
    this.#look(false)
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the batch schedule was stopped'))
    if (this.#timer !== null) clearTimeout(this.#timer)
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

  /** @param awaited whether it slept until a due time, and not only until the next look */
  #look(awaited: boolean): void {
    const { latestDueTimes, untilNextDueMs } = this.#runs.times()
    if (awaited || latestDueTimes !== this.#wokenFor) void this.wake()
    this.#wokenFor = latestDueTimes
    const awaits = untilNextDueMs <= LOOK_EVERY_MS_MAX
    this.#timer = setTimeout(() => this.#look(awaits), awaits ? untilNextDueMs : LOOK_EVERY_MS_MAX)
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
