/** Tells other processes, through the lake, how far a batch run is. Nothing depends on it: what cannot be written is left out. */
import type { Lake } from '#storage/lake/lake.ts'
import type { RunRecord } from '#storage/lake/run-record.ts'
import type { RunPlan } from './plan-run.ts'
import type { BatchProgress } from './run-progress.ts'

/** A run that takes less is not told: each record is a durable write, and nobody could read it in time. */
export const TOLD_AFTER_MS = 1_000

export class ToldRun {
  readonly #lake: Pick<Lake, 'tellRun'>
  readonly #plan: Pick<RunPlan, 'mode' | 'views'>
  readonly #startedAtMs: number
  readonly #clock: () => number
  readonly #timer: NodeJS.Timeout
  #isDue = false
  /** not written yet: only the newest one is */
  #latest: RunRecord | null = null
  #writing: Promise<void> | null = null

  /** @param clock epoch ms */
  constructor(
    lake: Pick<Lake, 'tellRun'>,
    plan: Pick<RunPlan, 'mode' | 'views'>,
    startedAtMs: number,
    clock: () => number,
  ) {
    this.#lake = lake
    this.#plan = plan
    this.#startedAtMs = startedAtMs
    this.#clock = clock
    this.#timer = setTimeout(() => this.#due(), TOLD_AFTER_MS)
    this.#timer.unref()
  }

  /** Replaces what was not written yet. */
  tell({ name, done, total, leftMs }: BatchProgress): void {
    const { mode, views } = this.#plan
    const recounted = [...views].filter(([, { kind }]) => kind === 'recount').map(([view]) => view)
    const [startedAtMs, updatedAtMs] = [this.#startedAtMs, this.#clock()]
    this.#latest = { mode, startedAtMs, updatedAtMs, name, done, total, recounted, leftMs }
    if (this.#isDue) this.#writing ??= this.#write()
  }

  /** Removes what was told, by this run or by one that died. */
  async end(): Promise<void> {
    clearTimeout(this.#timer)
    this.#isDue = false
    this.#latest = null
    await this.#writing
    await this.#lake.tellRun(null).catch(() => {})
  }

  #due(): void {
    this.#isDue = true
    if (this.#latest !== null) this.#writing ??= this.#write()
  }

  /** One after the other: the last is what stays. */
  async #write(): Promise<void> {
    for (let record = this.#latest; record !== null; record = this.#latest) {
      this.#latest = null
      await this.#lake.tellRun(record).catch(() => {})
    }
    this.#writing = null
  }
}
