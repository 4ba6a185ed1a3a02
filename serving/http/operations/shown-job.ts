/** A job as routes show it. */
import type { z } from 'zod'
import type { JOB } from '#serving/http/contract/schemas/jobs.ts'
import { withoutPaths } from '#serving/http/without-paths.ts'
import type { JobLedger } from '#storage/jobs/job-ledger.ts'
import type { JobRecord } from '#storage/jobs/job-record.ts'

export type ShownJob = z.output<typeof JOB>

const NO_RUNNER = 'no batch role is running for this dataset: start `watershed start` or `watershed batch`'

/** @param hasRunner whether a process looks for waiting jobs */
export function shownJob(job: JobRecord, hasRunner: boolean): ShownJob {
  const { id, dataset, kind, mode, by, state, progress, outcome, fault } = job
  const waits = state === 'waiting' && !hasRunner ? NO_RUNNER : null
  return {
    ...{ id, dataset, kind, mode, by, state },
    requestedAt: new Date(job.requestedAtMs).toISOString(),
    startedAt: iso(job.startedAtMs),
    finishedAt: iso(job.finishedAtMs),
    ...{ progress, outcome },
    reason: fault === null ? waits : withoutPaths(fault),
  }
}

/** The job as it is now; null: there is none. */
export async function jobNow(ledger: JobLedger, id: string): Promise<ShownJob | null> {
  const job = await ledger.job(id)
  return job && shownJob(job, await ledger.hasRunner())
}

function iso(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
