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
  /** by partition, the end of the last listed segment */
  readonly ends: readonly Offset[]
  /** in offset order within each partition */
  readonly letters: readonly ClosedLetters[]
}

/**
 * Files with dead letters after the given offsets, including compacted ones that span such an offset. Segments that the generation has counted are
 * skipped if it counted no dead letters.
 * @param ends by partition, the offset up to which the caller has listed them
 * @returns null if a chain is shorter than that because a log was truncated: the caller must start over. @throws LakeError
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
