/**
 * The dead letter files of a dataset's closed segments, as they come about: history is listed once, and only where it has any. What compaction
 * replaces later stays listed, because the new file has the same letters, until there are twice as many files as when history was listed: then
 * it is listed again, so that the list is as long as what there is.
 */
import pLimit from 'p-limit'
import type { Offset } from '#core/offsets.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { type ClosedLetters, lettersSince } from './closed-letters.ts'

export type LetterFile = Pick<ClosedLetters, 'file' | 'createdAtMs'>

/** so many files are listed before history is listed again */
const FILES_MIN = 10_000

interface KnownFiles {
  /** by partition, up to where segments were looked at */
  readonly ends: readonly Offset[]
  /** by partition, up to where raw events, and dead letters with them, were removed */
  readonly floor: string
  /** grows */
  readonly files: LetterFile[]
  /** number of files at which history is listed again */
  readonly filesMax: number
}

type FollowedLake = Pick<Lake, 'chains' | 'current'>

export class FollowedLetterFiles {
  readonly #lake: FollowedLake
  readonly #filesMin: number
  readonly #oneLook = pLimit(1)
  #known: KnownFiles | null = null

  constructor(lake: FollowedLake, filesMin = FILES_MIN) {
    this.#lake = lake
    this.#filesMin = filesMin
  }

  /** Those of all closed segments; a later call may add to the same list. @throws LakeError */
  all(partitions: number): Promise<readonly LetterFile[]> {
    return this.#oneLook(() => this.#look(partitions))
  }

  async #look(partitions: number): Promise<readonly LetterFile[]> {
    const generation = await this.#lake.current().catch(() => null)
    const floor = JSON.stringify(generation?.floor ?? [])
    const isUsable = this.#known?.floor === floor && this.#known.files.length <= this.#known.filesMax
    if (!isUsable) this.#known = null
    const known = this.#known
    const ends = known?.ends ?? []
    const since = await lettersSince(this.#lake, partitions, generation, ends)
    const continues = since?.letters.every(({ partition, start }) => start >= (ends[partition] ?? 0))
    if (since === null || !continues || this.#known !== known) {
      this.#known = null
      return this.#look(partitions)
    }
    const files = known?.files ?? []
    for (const { file, createdAtMs } of since.letters) files.push({ file, createdAtMs })
    const filesMax = known?.filesMax ?? Math.max(this.#filesMin, 2 * files.length)
    this.#known = { ends: since.ends, floor, files, filesMax }
    return files
  }

  /** Lists history again the next time: one of the files may be gone. */
  forget(): void {
    this.#known = null
  }
}
