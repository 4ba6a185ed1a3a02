/** Keeps the result of a complete verification in the lake, for metrics and for deciding whether the newest full run was verified. */
import type { Lake } from '#storage/lake/lake.ts'
import type { VerifyReport } from '#verification/verify-dataset.ts'

/** @throws LakeError if the lake cannot be written */
export async function recordVerification(
  lake: Pick<Lake, 'generation' | 'recordVerification'>,
  { equal, generation }: Pick<VerifyReport, 'equal' | 'generation'>,
  clock: () => number = Date.now,
): Promise<void> {
  const verified = generation === null ? null : await lake.generation(generation)
  const fullFinishedAtMs = verified?.fullFinishedAtMs ?? null
  await lake.recordVerification({ atMs: clock(), equal, generation, fullFinishedAtMs })
}
