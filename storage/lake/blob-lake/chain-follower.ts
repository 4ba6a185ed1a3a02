/**
 * Finds the segments that a late listing lacks: the manifest of the segment behind the last known one has a known name, and is asked for until there
 * is none.
 */
import type { Offset } from '#core/offsets.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { offsetName, partitionName } from '../manifest-names.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { LoadedManifests } from './chain-checkpoints.ts'

/** @returns why it cannot be read. @throws an error that `isMissing` knows if there is nothing */
export type LoadManifest = (name: string) => Promise<SegmentManifest | LakeError>

export class ChainFollower {
  /** rises with each segment that was found */
  version = 0
  readonly #load: LoadManifest
  /** found by name, until they are listed */
  #found = new Map<string, SegmentManifest>()

  /** @param load a manifest by its name; what `isMissing` knows is thrown for one that does not exist */
  constructor(load: LoadManifest) {
    this.#load = load
  }

  /**
   * @param fresh whether the names were listed just now; otherwise nothing is asked for
   * @returns what was listed, and what was found behind it. The chain of each partition is followed, of `partitions` at least
   */
  async follow(listed: LoadedManifests, partitions: number, fresh: boolean): Promise<LoadedManifests> {
    for (const name of this.#found.keys()) if (listed.manifests.has(name)) this.#found.delete(name)
    const manifests = new Map([...listed.manifests, ...this.#found])
    if (!fresh) return { ...listed, manifests }
    const ends = new Map<number, Offset>(Array.from({ length: partitions }, (_, partition) => [partition, 0]))
    for (const { partition, end } of manifests.values()) ends.set(partition, Math.max(end, ends.get(partition) ?? 0))
    const found = await Promise.all([...ends].map(([partition, end]) => this.#behind(partition, end)))
    for (const [name, manifest] of found.flat()) {
      this.#found.set(name, manifest)
      manifests.set(name, manifest)
      this.version++
    }
    return { ...listed, manifests }
  }

  async #behind(partition: number, from: Offset): Promise<readonly (readonly [string, SegmentManifest])[]> {
    const found: (readonly [string, SegmentManifest])[] = []
    for (let end = from; ; ) {
      const name = `${partitionName(partition)}-${offsetName(end)}.json`
      const manifest = await this.#tryLoad(name)
      if (manifest === null) return found
      found.push([name, manifest])
      end = manifest.end
    }
  }

  /** null: there is none, or it is damaged, which is said as soon as it is listed */
  async #tryLoad(name: string): Promise<SegmentManifest | null> {
    try {
      const manifest = await this.#load(name)
      return manifest instanceof LakeError ? null : manifest
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }
}
