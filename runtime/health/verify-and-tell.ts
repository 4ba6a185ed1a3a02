/** Verifies a dataset, records the result in the lake, and reports it as a log line, as a failed verification is. */
import type { JobProgress } from '#storage/jobs/job-record.ts'
import type { Emit } from '#telemetry/emit.ts'
import { type Slice, sliceText } from '#verification/slice.ts'
import { type VerifyReport, verifyDataset } from '#verification/verify-dataset.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { mergedSnapshot } from './merged-snapshot.ts'
import { recordVerification } from './record-verification.ts'

export interface VerifyAndTellOptions {
  /** a folder that the engine may use */
  readonly scratchFolder: string
  readonly emit: Emit
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: JobProgress) => void
  /** default: everything */
  readonly slice?: Slice | null
}

/** @throws what made the verification fail, after it was told; the signal's reason if it was stopped */
export async function verifyAndTell(open: OpenDataset, options: VerifyAndTellOptions): Promise<VerifyReport> {
  const { emit, scratchFolder, signal, onProgress, slice = null } = options
  const dataset = open.dataset.name
  const what = slice === null ? `'${dataset}'` : `${sliceText(slice)} of '${dataset}'`
  try {
    const report = await verifyDataset({
      ...open,
      scratchFolder,
      signal,
      slice,
      snapshot: (panes) => mergedSnapshot(open, panes),
      onView: (name, done, total) => onProgress?.({ name, done, total, leftMs: null }),
    })
    const different = report.views.reduce((sum, view) => sum + view.different, 0)
    emit({
      name: report.equal ? 'verify-equal' : 'verify-different',
      level: report.equal ? 'info' : 'error',
      dataset,
      message: report.equal
        ? `verify of ${what}: ${report.views.length} views match the recount`
        : `verify of ${what} found differences: ${report.problems.join('; ')}. Run \`watershed verify\` for the rows, and \`watershed batch run --full\` to publish a recount`,
      fields: { different, views: report.views.length, tookMs: report.tookMs },
    })
    await recordVerification(open.lake, report).catch((error: Error) =>
      emit({
        name: 'verify-unrecorded',
        level: 'warn',
        dataset,
        message: `the result of the verify of '${dataset}' could not be recorded: ${error.message}; it is verified again later`,
      }),
    )
    return report
  } catch (error) {
    signal?.throwIfAborted()
    emit({
      name: 'verify-failed',
      level: 'error',
      dataset,
      message: `verify of ${what} failed: ${(error as Error).message}; it is retried in a while`,
    })
    throw error
  }
}
