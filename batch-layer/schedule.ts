/**
 * Port: triggers the batch runs of a dataset. Drivers: cron-schedule (embedded), bullmq-schedule (cluster). A driver only triggers;
 * the manifests decide what is due (due-runs.ts), so a missed run is caught up at start, a run of another process
 * counts, and a failed one is retried. The lake's lock allows one run at a time, whoever started it.
 */
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { BatchMode } from './plan-run.ts'
import type { BatchProgress } from './run-batch.ts'

export const INCREMENTAL_PATTERN = '*/5 * * * *'
export const FULL_PATTERN = '0 2 * * *'

export interface BatchSchedule {
  /** Immediately starts what is already due, then runs at each due time until `stop`. Returns without waiting; faults are emitted. */
  start(): void
  /** Checks now what is due, as at a due time. Never rejects: faults are emitted. */
  wake(): Promise<void>
  /** Starts nothing more, stops the running statement, and waits until the run has cleaned up. */
  stop(): Promise<void>
  state(): ScheduleState
}

export interface BatchScheduleOptions {
  readonly lake: Lake
  /** one batch run (runBatch with the role's resources); null if another process holds the lock */
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

/** The current state of a schedule, for health checks. */
export interface ScheduleState {
  /** the run in progress in this process; null if none is */
  readonly running: BatchMode | null
  /** whether the last attempted run found the lock held by another process */
  readonly locked: boolean
  /** since when a mode's runs have failed in this process without a success, epoch ms */
  readonly failingSinceMs: number | null
  /** why the last run failed, while runs fail */
  readonly fault: string | null
  /** why nothing triggers it at present; null if it is triggered normally */
  readonly asleep: string | null
}
