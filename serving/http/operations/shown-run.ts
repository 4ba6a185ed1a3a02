/** The batch run in progress, as routes show it. */
import type { z } from 'zod'
import type { run as RUN } from '#serving/http/contract/schemas/generations.ts'
import type { RunRecord } from '#storage/lake/run-record.ts'

export function shownRun(run: RunRecord | null): z.output<typeof RUN> {
  if (run === null) return null
  const { mode, startedAtMs, updatedAtMs, name, done, total, recounted, leftMs } = run
  return {
    mode,
    startedAt: new Date(startedAtMs).toISOString(),
    updatedAt: new Date(updatedAtMs).toISOString(),
    name,
    done,
    total,
    recounted: [...recounted],
    leftMs,
  }
}
