/** What repairs need of segments in a local or shared folder: what is damaged, what files there are, and a way to put a manifest in its place. */
import { link, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { LandedFile } from '../lake.ts'
import { explainFault, LakeError } from '../lake-error.ts'
import { manifestPath, parseSegmentFile, parseSegmentName, segmentManifestName } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { fsyncFolder, randomName, replaceAtomically } from './durable-files.ts'
import type { LocalSegments } from './local-segments.ts'

const NOTHING = { before: (): void => {}, after: (): void => {} }

export class LocalSegmentRepair {
  readonly #folder: string
  readonly #segments: LocalSegments

  /** @param folder of the dataset */
  constructor(folder: string, segments: LocalSegments) {
    this.#folder = folder
    this.#segments = segments
  }

  async unreadable(): Promise<readonly UnreadableSegment[]> {
    const { damaged } = await this.#segments.readable()
    const found = [...damaged].map(([name, error]) => {
      const { partition, start } = parseSegmentName(name)!
      return { name, partition, start, error }
    })
    return found.toSorted((a, b) => a.partition - b.partition || a.start - b.start)
  }

  async readable(): Promise<readonly SegmentManifest[]> {
    return [...(await this.#segments.readable()).manifests.values()]
  }

  async landedFiles(partition: number): Promise<readonly LandedFile[]> {
    return [...(await this.#segments.present())].flatMap((path) => {
      const parsed = parseSegmentFile(path)
      if (parsed?.partition !== partition) return []
      return [{ start: parsed.start, kind: parsed.kind, path: join(this.#folder, path) }]
    })
  }

  async restore(manifest: SegmentManifest): Promise<void> {
    const name = segmentManifestName(manifest)
    const { folders } = this.#segments
    const isUnreadable = await this.#isUnreadable(name)
    await folders.checkpoints.drop(manifest.partition)
    await folders.makeRoom(name)
    const path = folders.pathOf(name)
    if (isUnreadable) {
      try {
        await link(path, asideOf(path))
      } catch (error) {
        throw explainFault(error, 'cannot link', path)
      }
    }
    await replaceAtomically(path, manifestText(manifest, manifestPath(name)), NOTHING, folders.root)
    this.#segments.forget()
  }

  async setAside(name: string): Promise<void> {
    if (!(await this.#isUnreadable(name))) return
    const { folders } = this.#segments
    await folders.checkpoints.drop(parseSegmentName(name)!.partition)
    const path = folders.pathOf(name)
    try {
      await rename(path, asideOf(path))
      await fsyncFolder(dirname(path))
    } catch (error) {
      throw explainFault(error, 'cannot rename', path)
    }
    this.#segments.forget()
  }

  /** @returns false if it does not exist */
  async #isUnreadable(name: string): Promise<boolean> {
    this.#segments.forget()
    const { manifests, damaged } = await this.#segments.readable()
    if (!manifests.has(name)) return damaged.has(name)
    throw new LakeError(
      'already-committed',
      `lake: '${this.#segments.folders.pathOf(name)}' can be read; it is not replaced`,
    )
  }
}

function asideOf(path: string): string {
  return `${path}.damaged-${randomName()}`
}
