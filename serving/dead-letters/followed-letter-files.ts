/**
 * The dead letter files of a dataset's closed segments, as they come about: history is listed once, and only where it has any. What compaction
 * replaces later stays listed: the new file has the same letters.
 */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'

export interface LetterFile {
  readonly file: LakeFile
  /** when its segment closed, epoch ms: its letters arrived before */
  readonly createdAtMs: number
}

interface KnownFiles {
  /** by partition, up to where segments were looked at */
  readonly ends: readonly Offset[]
  /** by partition, up to where raw events, and dead letters with them, were removed */
  readonly floor: string
  readonly files: readonly LetterFile[]
}

type FollowedLake = Pick<Lake, 'chains' | 'current'>

export class FollowedLetterFiles {
  readonly #lake: FollowedLake
  #known: KnownFiles | null = null

  constructor(lake: FollowedLake) {
    this.#lake = lake
  }

  /** Those of all closed segments. @throws LakeError */
  async all(partitions: number): Promise<readonly LetterFile[]> {
    const generation = await this.#lake.current().catch(() => null)
    const { boundary, deadLetters } = generation ?? { boundary: [], deadLetters: 0 }
    const chains = await this.#lake.chains(partitions, { counted: boundary, after: boundary })
    const newer = chains.flatMap(({ partition, segments }) =>
      segments.filter(({ start }) => start >= (boundary[partition] ?? 0)),
    )
    const letters = newer.reduce((sum, segment) => sum + segment.deadLetters, deadLetters)
    return this.list(generation, partitions, letters)
  }

  /** @param letters how many there are in closed segments @throws LakeError */
  async list(
    generation: GenerationManifest | null,
    partitions: number,
    letters: number,
  ): Promise<readonly LetterFile[]> {
    if (letters === 0) return []
    const counted = generation?.boundary
    const floor = JSON.stringify(generation?.floor ?? [])
    const known = this.#known?.floor === floor ? this.#known : null
    const chains = await this.#lake.chains(partitions, { counted, ...(known && { after: known.ends }) })
    if (known !== null && !continues(chains, known.ends)) {
      this.#known = null
      return this.list(generation, partitions, letters)
    }
    const newer = chains.flatMap(({ partition, segments }) =>
      segments
        .filter(({ start }) => start >= (known?.ends[partition] ?? 0))
        .flatMap(({ deadLetterFile: file, createdAtMs }) => (file === null ? [] : [{ file, createdAtMs }])),
    )
    const files = newer.length === 0 ? (known?.files ?? []) : [...(known?.files ?? []), ...newer]
    this.#known = { ends: chains.map(({ end }) => end), floor, files }
    return files
  }

  /** Lists history again the next time: one of the files may be gone. */
  forget(): void {
    this.#known = null
  }
}

/** Not where a log was cut, or where compaction has merged what was known with what was not, and removed it. */
function continues(chains: readonly SegmentChain[], ends: readonly Offset[]): boolean {
  return ends.every((known, partition) => {
    const chain = chains[partition]
    if (chain === undefined || chain.end < known) return false
    return !chain.segments.some(({ start, end }) => start < known && known < end) && (chain.past?.end ?? 0) <= known
  })
}
