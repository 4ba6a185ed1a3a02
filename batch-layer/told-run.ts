/** Tells other processes, through the lake, how far a batch run is. Nothing depends on it: what cannot be written is left out. */
import type { Lake } from '#storage/lake/lake.ts'
import type { RunPlan } from './plan-run.ts'
import type { BatchProgress } from './run-progress.ts'

export class ToldRun {
  readonly #lake: Pick<Lake, 'tellRun'>
  readonly #plan: Pick<RunPlan, 'mode' | 'views'>
  readonly #startedAtMs: number
  readonly #clock: () => number
  #told: Promise<void> = Promise.resolve()

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
  }

  tell({ name, done, total, leftMs }: BatchProgress): void {
    const { mode, views } = this.#plan
    const recounted = [...views].filter(([, { kind }]) => kind === 'recount').map(([view]) => view)
    const [startedAtMs, updatedAtMs] = [this.#startedAtMs, this.#clock()]
    this.#write(() => this.#lake.tellRun({ mode, startedAtMs, updatedAtMs, name, done, total, recounted, leftMs }))
  }

  /** Removes what was told. */
  end(): Promise<void> {
    this.#write(() => this.#lake.tellRun(null))
    return this.#told
  }

  /** One after the other: the last is what stays. */
  #write(write: () => Promise<void>): void {
    this.#told = this.#told.then(write).catch(() => {})
  }
}
