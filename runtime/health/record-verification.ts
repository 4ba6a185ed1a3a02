/**
 * Keeps the result of a complete verification in the lake, for metrics and for deciding whether the newest full run was verified and
 * which slice of history is proved next.
 */
import type { Lake } from '#storage/lake/lake.ts'
import type { VerificationRecord } from '#storage/lake/verification-record.ts'
import type { VerifyReport } from '#verification/verify-dataset.ts'

export type RecordedReport = Pick<VerifyReport, 'equal' | 'generation' | 'tookMs'> &
  Partial<Pick<VerifyReport, 'slice'>>

/** @throws LakeError if the lake cannot be written */
export async function recordVerification(
  lake: Pick<Lake, 'generation' | 'verification' | 'recordVerification'>,
  report: RecordedReport,
  clock: () => number = Date.now,
): Promise<void> {
  const { generation, slice = null } = report
  const before = await lake.verification()
  if (slice !== null) return lake.recordVerification(afterSlice(before, { ...report, slice }, clock()))
  const verified = generation === null ? null : await lake.generation(generation)
  const fullFinishedAtMs = verified?.fullFinishedAtMs ?? null
  await lake.recordVerification({ ...afterWhole(before, report, clock()), fullFinishedAtMs })
}

function afterWhole(
  before: VerificationRecord | null,
  { equal, generation, tookMs }: RecordedReport,
  atMs: number,
): Omit<VerificationRecord, 'fullFinishedAtMs'> {
  const proof = before?.proof === undefined ? {} : { proof: before.proof }
  if (equal) return { atMs, equal, generation, wholeSinceMs: atMs - tookMs, ...proof }
  return { atMs, equal, generation, wholeSinceMs: provedSinceMs(before), differedAtMs: atMs, ...proof }
}

/** What differed stays known until a round that began later has found nothing. */
function afterSlice(
  before: VerificationRecord | null,
  { equal, generation, slice, tookMs }: RecordedReport & { readonly slice: NonNullable<RecordedReport['slice']> },
  atMs: number,
): VerificationRecord {
  const { index, of: nights } = slice.keys
  const startedAtMs = index === 0 ? atMs - tookMs : (before?.proof?.startedAtMs ?? atMs - tookMs)
  const done = index + 1
  const differedAtMs = equal ? differedMs(before) : atMs
  const isProved = done === nights && (differedAtMs === null || differedAtMs < startedAtMs)
  const comparedBeforeMs = slice.panes.beforeMs ?? null
  return {
    atMs,
    equal: isProved || differedAtMs === null,
    generation,
    fullFinishedAtMs: before?.fullFinishedAtMs ?? null,
    wholeSinceMs: isProved ? Math.max(startedAtMs, provedSinceMs(before) ?? startedAtMs) : provedSinceMs(before),
    ...(isProved || differedAtMs === null ? {} : { differedAtMs }),
    proof: { startedAtMs, nights, done, comparedBeforeMs, cutBy: slice.cutBy, sliceAtMs: atMs },
  }
}

function differedMs(before: VerificationRecord | null): number | null {
  if (before === null) return null
  return before.differedAtMs ?? (before.equal ? null : before.atMs)
}

/** Records of earlier versions are of whole verifications. */
export function provedSinceMs(record: VerificationRecord | null): number | null {
  if (record === null) return null
  if (record.wholeSinceMs !== undefined) return record.wholeSinceMs
  return record.equal ? record.atMs : null
}
