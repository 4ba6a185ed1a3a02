/** Port: an engine other than the run's own that recounts views. Driver: trino-engine. Without one, recounts are made by DuckDB. */
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { BatchCompute, DuckDbCompute } from './batch-compute.ts'

export interface RecountParts {
  readonly lake: Lake
  /** the run's */
  readonly connection: EngineConnection
  /** does all but recounts, and what the engine cannot read */
  readonly own: BatchCompute
  readonly merging: DuckDbCompute
  readonly signal?: AbortSignal
  readonly emit?: Emit
}

export interface StartedRecounts {
  readonly compute: BatchCompute
  /** after the last recount of the run, also if it failed; does not throw */
  close(): Promise<void>
}

export interface RecountEngine {
  /** For one run, by the holder of the batch lock. */
  start(parts: RecountParts): StartedRecounts
}
