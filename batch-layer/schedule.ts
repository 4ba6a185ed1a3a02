/**
 * Port: when the batch runs of a dataset happen. Drivers: cron-schedule (embedded), bullmq-schedule (cluster). A driver only wakes;
 * what is due is decided from the manifests (due-runs.ts), so that a missed night is caught up at start, a run that another process
 * made counts, and a failed one is tried again. The lake's lock lets one run at a time go on, whoever started it.
 */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchProgress } from './run-batch.ts'

export const INCREMENTAL_PATTERN = '*/5 * * * *'
export const FULL_PATTERN = '0 2 * * *'

export interface BatchSchedule {
  /** Runs at once what is due already, then at each due time until `stop`. Waits for nothing; faults are emitted. */
  start(): void
  /** Looks now for what is due, as at a due time. Never rejects: faults are emitted. */
  wake(): Promise<void>
  /** Starts nothing more, stops the running statement, and waits until the run has cleaned up. */
  stop(): Promise<void>
  state(): ScheduleState
}

export interface BatchScheduleOptions {
  readonly lake: Lake
  /** one batch run (runBatch with the role's parts); null when another process holds the lock */
  readonly run: (
    mode: BatchMode,
    signal: AbortSignal,
    onProgress: (progress: BatchProgress) => void,
  ) => Promise<GenerationManifest | null>
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

/** What a schedule does at this moment, for health checks. */
export interface ScheduleState {
  /** the run that goes on here; null when none does */
  readonly running: BatchMode | null
  /** the run that was tried last found that another process holds the lock */
  readonly locked: boolean
  /** since when a mode's runs fail here without one that succeeded, epoch ms */
  readonly failingSinceMs: number | null
  /** why the last run failed, while they do */
  readonly fault: string | null
  /** why nothing wakes it at present; null when all is well */
  readonly asleep: string | null
}
