/**
 * Finds the segments that a late listing lacks: where the listed ones leave a hole, and behind the last one, the next manifest has a known name,
 * and is asked for until there is none.
 */
import type { Offset } from '#core/offsets.ts'
import { isMissing, LakeError } from '../lake-error.ts'
import { offsetName, partitionName } from '../manifest-names.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { LoadedManifests } from './chain-checkpoints.ts'

/** @returns why it cannot be read. @throws an error that `isMissing` knows if there is nothing */
export type LoadManifest = (name: string) => Promise<SegmentManifest | LakeError>

type Found = readonly [name: string, manifest: SegmentManifest]

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
   * @param begun by partition, the end of what is known before the listed ones; 0 where it is absent
   * @param fresh whether the names were listed just now; otherwise nothing is asked for
   * @returns what was listed, and what was found behind it. The chain of each partition is followed, of `partitions` at least
   */
  async follow(
    listed: LoadedManifests,
    partitions: number,
    { begun, fresh }: { readonly begun: ReadonlyMap<number, Offset>; readonly fresh: boolean },
  ): Promise<LoadedManifests> {
    for (const [name, { partition, start }] of this.#found)
      if (listed.manifests.has(name) || start < (begun.get(partition) ?? 0)) this.#found.delete(name)
    const manifests = new Map([...listed.manifests, ...this.#found])
    if (!fresh) return { ...listed, manifests }
    const known = Map.groupBy(manifests.values(), ({ partition }) => partition)
    for (let partition = 0; partition < partitions; partition++) if (!known.has(partition)) known.set(partition, [])
    for (const partition of begun.keys()) if (!known.has(partition)) known.set(partition, [])
    const found = await Promise.all(
      [...known].map(([partition, segments]) => this.#lacking(partition, segments, begun.get(partition) ?? 0)),
    )
    for (const [name, manifest] of found.flat()) {
      this.#found.set(name, manifest)
      manifests.set(name, manifest)
      this.version++
    }
    return { ...listed, manifests }
  }

  async #lacking(partition: number, segments: readonly SegmentManifest[], begun: Offset): Promise<readonly Found[]> {
    const found: Found[] = []
    let end = begun
    for (const segment of segments.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
      if (segment.start > end) end = await this.#follow(partition, end, segment.start, found)
      end = Math.max(end, segment.end)
    }
    await this.#follow(partition, end, Number.POSITIVE_INFINITY, found)
    return found
  }

  /** @returns the end of what was found from `from` on */
  async #follow(partition: number, from: Offset, to: Offset, found: Found[]): Promise<Offset> {
    let end = from
    while (end < to) {
      const name = `${partitionName(partition)}-${offsetName(end)}.json`
      const manifest = await this.#tryLoad(name)
      if (manifest === null) break
      found.push([name, manifest])
      end = manifest.end
    }
    return end
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
