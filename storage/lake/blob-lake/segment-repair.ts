/** What repairs need of segments: what is damaged, what files there are, and a way to put a manifest in its place. */
import { randomBytes } from 'node:crypto'
import type { LandedFile } from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import { manifestPath, parseSegmentFile, parseSegmentName, segmentManifestName } from '../manifest-names.ts'
import { manifestText } from '../manifest-text.ts'
import type { UnreadableSegment } from '../segment-damage.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { BlobSegments } from './blob-segments.ts'
import type { Blobs } from './blobs.ts'
import { MANIFESTS } from './checkpoint-files.ts'

export class SegmentRepair {
  readonly #blobs: Blobs
  readonly #segments: BlobSegments

  constructor(blobs: Blobs, segments: BlobSegments) {
    this.#blobs = blobs
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
    const landed: LandedFile[] = []
    for (const path of await this.#segments.present()) {
      const parsed = parseSegmentFile(path)
      if (parsed?.partition !== partition) continue
      landed.push({ start: parsed.start, kind: parsed.kind, path: await this.#blobs.bring(path) })
    }
    return landed
  }

  async restore(manifest: SegmentManifest): Promise<void> {
    const name = segmentManifestName(manifest)
    const { folders } = this.#segments
    const isUnreadable = await this.#isUnreadable(name)
    await folders.checkpoints.drop(manifest.partition)
    await folders.makeRoom(name)
    const path = folders.pathOf(name)
    if (isUnreadable) await this.#blobs.copy(path, asideOf(path))
    await this.#blobs.replace(path, manifestText(manifest, manifestPath(name)), { sign: MANIFESTS })
    this.#segments.forget()
  }

  async setAside(name: string): Promise<void> {
    if (!(await this.#isUnreadable(name))) return
    const { folders } = this.#segments
    await folders.checkpoints.drop(parseSegmentName(name)!.partition)
    const path = folders.pathOf(name)
    await this.#blobs.move(path, asideOf(path))
    this.#segments.forget()
  }

  /** @returns false if it does not exist */
  async #isUnreadable(name: string): Promise<boolean> {
    this.#segments.forget()
    const { manifests, damaged } = await this.#segments.readable()
    if (!manifests.has(name)) return damaged.has(name)
    throw new LakeError(
      'already-committed',
      `lake: '${this.#blobs.nameOf(this.#segments.folders.pathOf(name))}' can be read; it is not replaced`,
    )
  }
}

function asideOf(path: string): string {
  return `${path}.damaged-${randomBytes(6).toString('hex')}`
}
