/** What the routes need to operate the platform; the composition root passes it. */
import type { JobLedger } from '#storage/jobs/job-ledger.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SourceChange } from '#storage/log/source-ledger.ts'
import type { ReplayLedger } from '#storage/replays/replay-ledger.ts'
import type { ServedSource } from './source-routes.ts'

export interface OperationsPort {
  /** by dataset */
  readonly jobs: ReadonlyMap<string, JobLedger>
  /** by dataset: which dead letters were replayed */
  readonly replays: ReadonlyMap<string, ReplayLedger>
  /** how long the log remembers idempotency keys, ms */
  readonly keyKeptMs: number
  /** Makes a kept generation current. Null: a batch run is in progress. */
  rollBack(dataset: string, generation: string): Promise<GenerationManifest | null>
  /** Pauses, resumes or resets a source that exists; its state afterwards. */
  changeSource(dataset: string, source: string, change: SourceChange): Promise<ServedSource>
}
