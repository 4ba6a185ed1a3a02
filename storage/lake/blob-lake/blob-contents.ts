/**
 * Files that are named by their content: states/<view>/<sha256>.parquet and dictionaries/<name>/<sha256>.parquet.
 * Generations refer to them; what no generation names is swept.
 */
import { dirname } from 'node:path/posix'
import { CONTENT_KINDS, type ContentKind, contentPath, isContentPath, isNamedByContent } from '../content-names.ts'
import type { StagedFile } from '../lake.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { Blobs, Fingerprint } from './blobs.ts'

/** Paths, relative to the dataset's folder, that published generations name. */
export type NamedPaths = () => Promise<ReadonlySet<string>>

export class BlobContents {
  readonly #blobs: Blobs
  readonly #named: NamedPaths

  constructor(blobs: Blobs, named: NamedPaths) {
    this.#blobs = blobs
    this.#named = named
  }

  /**
   * @param draft path that the draft belongs to
   * @param created gets the path of the finished file, unless it existed already
   */
  stage(draft: string, kind: ContentKind, name: string, created: Set<string>): StagedFile {
    const writePath = this.#blobs.draftOf(draft)
    return {
      writePath,
      finish: async (rows): Promise<LakeFile> => {
        const print = await this.#blobs.finishDraft(writePath)
        const path = contentPath(kind, name, print.sha256)
        await this.#blobs.makeFolder(dirname(path))
        if (await this.#place(writePath, path, print)) created.add(path)
        return { path, bytes: print.bytes, rows, sha256: print.sha256 }
      },
      discard: () => this.#blobs.removeDraft(writePath),
    }
  }

  /** The file under the name of its content: itself, or for a file of an earlier version a hard link or copy. @throws LakeError */
  async refer<File extends LakeFile>(kind: ContentKind, name: string, file: File): Promise<File> {
    if (isNamedByContent(file)) return file
    const path = contentPath(kind, name, file.sha256)
    await this.#blobs.makeFolder(dirname(path))
    const there = await this.#blobs.stat(path)
    if (there?.bytes !== file.bytes) {
      await this.#blobs.remove(path)
      await this.#blobs.copy(file.path, path)
    }
    return { ...file, path }
  }

  /** Paths of all files, named by a generation or not. */
  async present(): Promise<string[]> {
    const below = await Promise.all(CONTENT_KINDS.map((kind) => this.#below(kind)))
    const files = await Promise.all(below.flat().map((place) => this.#below(place)))
    return files.flat().filter(isContentPath)
  }

  /** Lets the time that an unnamed file is kept begin now: readers may still use what a removed generation named. */
  touch(paths: readonly string[]): Promise<void> {
    return this.#blobs.touch(paths)
  }

  /** @param paths that a run created; those that a generation names stay */
  async removeUnnamed(paths: Iterable<string>): Promise<void> {
    const named = await this.#named()
    for (const path of paths) if (!named.has(path)) await this.#blobs.remove(path)
  }

  /**
   * false: the content existed. If no generation names it, it could be swept, or be what a crash left: the new file takes its place, as it
   * does if the existing one was damaged.
   */
  async #place(writePath: string, path: string, print: Fingerprint): Promise<boolean> {
    if (await this.#blobs.land(writePath, path, print)) return true
    const whole = (await this.#named()).has(path) && (await this.#blobs.fingerprint(path)).sha256 === print.sha256
    if (whole) await this.#blobs.removeDraft(writePath)
    else await this.#blobs.landOver(writePath, path, print)
    return false
  }

  async #below(folder: string): Promise<string[]> {
    return (await this.#blobs.names(folder)).map((name) => `${folder}/${name}`)
  }
}
