/** Where the dead letters of closed segments are. */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'

/** The dead letters of one closed segment. */
export interface ClosedLetters {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
  readonly file: LakeFile
  /** when the segment closed, epoch ms: its letters arrived before */
  readonly createdAtMs: number
}

export interface LettersSince {
  /** by partition, up to where segments were listed */
  readonly ends: readonly Offset[]
  /** of each partition in the order of offsets */
  readonly letters: readonly ClosedLetters[]
}

/**
 * Those behind the given ends, and what compaction has merged of both sides of one. Segments in which the generation counts no letters
 * are not listed.
 * @param ends by partition, up to where they are known
 * @returns null where a log was cut: what is known is no longer so. @throws LakeError
 */
export async function lettersSince(
  lake: Pick<Lake, 'chains'>,
  partitions: number,
  generation: GenerationManifest | null,
  ends: readonly Offset[],
): Promise<LettersSince | null> {
  const boundary = generation?.boundary ?? []
  const without = generation?.deadLetters === 0 ? boundary : []
  const known = Array.from({ length: Math.max(partitions, ends.length, boundary.length) }, (_, partition) =>
    Math.max(ends[partition] ?? 0, without[partition] ?? 0),
  )
  const chains = await lake.chains(partitions, { counted: boundary, after: known })
  if (ends.some((end, partition) => (chains[partition]?.end ?? 0) < end)) return null
  return {
    ends: chains.map(({ end }) => end),
    letters: chains.flatMap(({ partition, segments }) =>
      segments.flatMap(({ start, end, deadLetterFile: file, createdAtMs }) =>
        file === null || end <= (known[partition] ?? 0) ? [] : [{ partition, start, end, file, createdAtMs }],
      ),
    ),
  }
}
