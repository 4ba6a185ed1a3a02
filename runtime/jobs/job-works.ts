/** What a job that was asked for does: the same as the schedule does, and the commands. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import type { JobProgress, JobRecord } from '#storage/jobs/job-record.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { sliceText } from '#verification/slice.ts'
import type { VerifyReport } from '#verification/verify-dataset.ts'
import type { JobWork } from './job-runner.ts'

/** how often a run that found the lock held is tried again */
const TRY_AGAIN_MS = 1_000

export interface JobWorkParts {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  /** null: another run holds the lock */
  readonly run: (
    mode: 'full' | 'incremental',
    signal: AbortSignal,
    onProgress: (progress: JobProgress) => void,
  ) => Promise<GenerationManifest | null>
  /** what follows a full run */
  readonly afterFull: (generation: GenerationManifest, signal: AbortSignal) => Promise<void>
  readonly verify: (signal: AbortSignal, onProgress: (progress: JobProgress) => void) => Promise<VerifyReport>
}

export function workOf(parts: JobWorkParts, job: JobRecord): JobWork {
  if (job.kind === 'verify') return verifyWork(parts.verify)
  return job.kind === 'backfill' ? backfillWork(parts) : batchWork(parts, job.mode ?? 'incremental')
}

function batchWork(parts: JobWorkParts, mode: 'full' | 'incremental'): JobWork {
  return async (signal, onProgress) => {
    const before = await parts.lake.current()
    const generation = await runWhenFree(parts, mode, signal, onProgress)
    if (generation.id === before?.id) return { outcome: `nothing is new: generation ${generation.id} stays current` }
    if (generation.mode === 'full') await parts.afterFull(generation, signal)
    return { outcome: `generation ${generation.id} is current` }
  }
}

function backfillWork(parts: JobWorkParts): JobWork {
  return async (signal, onProgress) => {
    const current = await parts.lake.current()
    const outdated = [...parts.dataset.views.values()]
      .filter(({ name, hash }) => current?.views[name]?.hash !== hash)
      .map(({ name }) => name)
    const { id } = await runWhenFree(parts, 'incremental', signal, onProgress)
    const computed = outdated.length === 0 ? 'every view had its current definition' : `computed ${outdated.join(', ')}`
    return { outcome: `${computed}; generation ${id} is current` }
  }
}

export function verifyWork(verify: JobWorkParts['verify']): JobWork {
  return async (signal, onProgress) => {
    const { equal, views, problems, slice } = await verify(signal, onProgress)
    const what = slice == null ? '' : `${sliceText(slice)}: `
    if (equal) return { outcome: `${what}${views.length} views are equal to the recount` }
    throw new Error(`${what}views differ from the recount: ${problems.join('; ')}`)
  }
}

async function runWhenFree(
  { run }: JobWorkParts,
  mode: 'full' | 'incremental',
  signal: AbortSignal,
  onProgress: (progress: JobProgress) => void,
): Promise<GenerationManifest> {
  for (;;) {
    const generation = await run(mode, signal, onProgress)
    if (generation !== null) return generation
    onProgress({ name: 'another batch run has to end first', done: 0, total: 1, leftMs: null })
    await sleep(TRY_AGAIN_MS, undefined, { signal })
  }
}
