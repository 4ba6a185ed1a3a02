/** Determines from the manifests which batch runs of a dataset are due, and executes one. Shared by all drivers of the schedule. */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { assertPattern, latestDueMs, nextDueMs } from './due-time.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchProgress } from './run-batch.ts'
import { type BatchScheduleOptions, FULL_PATTERN, INCREMENTAL_PATTERN, type ScheduleState } from './schedule.ts'

/** How far the clocks of machines that share a lake may differ: a time that is further ahead than this is not believed. */
export const CLOCKS_APART_MS_MAX = 60_000

export interface DueRun {
  readonly mode: BatchMode
  /** since when, epoch ms; 0 if there is no generation */
  readonly sinceMs: number
}

export class DueRuns {
  readonly patterns: Readonly<Record<BatchMode, string | null>>
  readonly #options: BatchScheduleOptions
  readonly #emit: Emit
  readonly #failures = new Map<BatchMode, { readonly sinceMs: number; readonly fault: string }>()
  #running: BatchMode | null = null
  #locked = false

  /** @throws RangeError for an invalid pattern */
  constructor(options: BatchScheduleOptions) {
    const { incrementalPattern = INCREMENTAL_PATTERN, fullPattern = FULL_PATTERN, emit = silent } = options
    if (incrementalPattern !== null) assertPattern(incrementalPattern, 'incremental schedule')
    if (fullPattern !== null) assertPattern(fullPattern, 'full schedule')
    this.#options = options
    this.patterns = { incremental: incrementalPattern, full: fullPattern }
    this.#emit = emit
  }

  get nowMs(): number {
    return (this.#options.clock ?? Date.now)()
  }

  state(): Omit<ScheduleState, 'asleep'> {
    const failures = [...this.#failures.values()]
    const failingSinceMs = failures.length === 0 ? null : Math.min(...failures.map(({ sinceMs }) => sinceMs))
    return { running: this.#running, locked: this.#locked, failingSinceMs, fault: failures[0]?.fault ?? null }
  }

  /**
   * The modes to run at this time, in this order. Decided by the current generation and what it builds on: what was published but never
   * became current, or was rolled back, has no part in answers.
   *
   * @param atMs epoch ms
   */
  async due(atMs = this.nowMs): Promise<readonly DueRun[]> {
    const current = await this.#options.lake.current()
    if (current === null) return [{ mode: 'incremental', sinceMs: 0 }]
    const finishedAtMs = { full: fullFinishedAtMs(current), incremental: current.finishedAtMs }
    const runs: DueRun[] = []
    for (const mode of ['full', 'incremental'] as const) {
      const pattern = this.patterns[mode]
      const sinceMs = pattern === null ? null : latestDueMs(pattern, atMs)
      if (sinceMs !== null && !isDoneSince(finishedAtMs[mode], sinceMs, atMs)) runs.push({ mode, sinceMs })
    }
    return runs
  }

  /**
   * What the clock says now of the patterns: their latest due times, as a text to compare, and how long it is until the next one, in
   * ms; infinite if none is ever due.
   */
  times(): { readonly latestDueTimes: string; readonly untilNextDueMs: number } {
    const { nowMs } = this
    const patterns = Object.values(this.patterns).filter((pattern) => pattern !== null)
    const next = patterns.map((pattern) => nextDueMs(pattern, nowMs) ?? Number.POSITIVE_INFINITY)
    return {
      latestDueTimes: patterns.map((pattern) => latestDueMs(pattern, nowMs)).join(),
      untilNextDueMs: Math.min(...next) - nowMs,
    }
  }

  /**
   * Executes one run, the compaction after a full one, and the follow-up of a new generation.
   * @returns the current generation; null if another process holds the lock
   * @throws the reason for its failure, which `failed` has then reported; the signal's reason if it was stopped
   */
  async run(
    mode: BatchMode,
    signal: AbortSignal,
    onProgress: (progress: BatchProgress) => void = () => {},
  ): Promise<GenerationManifest | null> {
    const { lake, run, compact, afterRun } = this.#options
    this.#running = mode
    try {
      const before = await lake.current()
      const generation = await run(mode, signal, onProgress)
      this.#locked = generation === null
      if (generation !== null && generation.id !== before?.id) {
        if (generation.mode === 'full') await compact?.(signal)
        await afterRun?.(generation)
      }
      if (generation !== null) this.#failures.delete(mode)
      return generation
    } catch (error) {
      signal.throwIfAborted()
      this.failed(mode, error)
      throw error
    } finally {
      this.#running = null
    }
  }

  /** Reports a failed run, or manifests that cannot be read. */
  failed(mode: BatchMode, error: unknown): void {
    const { dataset } = this.#options.lake
    const fault = error instanceof Error ? error.message : String(error)
    this.#failures.set(mode, { sinceMs: this.#failures.get(mode)?.sinceMs ?? this.nowMs, fault })
    this.#emit({
      name: 'batch-failed',
      level: 'error',
      dataset,
      message: `${mode} batch run of '${dataset}' failed: ${fault}. The previous generation stays current; the run is retried`,
      fields: { mode },
    })
  }
}

/** A run that finished in the future was made under a clock that was ahead: when it really finished is not known, so it counts for nothing. */
function isDoneSince(finishedAtMs: number, sinceMs: number, atMs: number): boolean {
  return finishedAtMs >= sinceMs && finishedAtMs <= atMs + CLOCKS_APART_MS_MAX
}

function fullFinishedAtMs(generation: GenerationManifest): number {
  return generation.fullFinishedAtMs ?? (generation.mode === 'full' ? generation.finishedAtMs : 0)
}
