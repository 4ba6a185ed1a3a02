/**
 * Files that are named by their content, in a local or shared folder: states/<view>/<sha256>.parquet and dictionaries/<name>/<sha256>.parquet.
 * Generations refer to them; what no generation names is swept.
 */
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CONTENT_KINDS, type ContentKind, contentPath, isContentPath, isNamedByContent } from '../content-names.ts'
import type { StagedFile } from '../lake.ts'
import { explainFault, isMissing } from '../lake-error.ts'
import type { LakeFile } from '../segment-manifest.ts'
import {
  fileSystemNowMs,
  fingerprint,
  fsyncFolder,
  linkFinal,
  linkOrCopy,
  makeFolder,
  neverWritten,
  removeFile,
  UNFINISHED,
} from './durable-files.ts'

/** Paths, relative to the dataset's folder, that published generations name. */
export type NamedPaths = () => Promise<ReadonlySet<string>>

export class LocalContents {
  readonly #folder: string
  readonly #named: NamedPaths

  constructor(folder: string, named: NamedPaths) {
    this.#folder = folder
    this.#named = named
  }

  /**
   * @param draft relative path to write to, without the suffix of unfinished files
   * @param created gets the path of the finished file, unless it existed already
   */
  stage(draft: string, kind: ContentKind, name: string, created: Set<string>): StagedFile {
    const writePath = `${join(this.#folder, draft)}${UNFINISHED}`
    return {
      writePath,
      finish: async (rows): Promise<LakeFile> => {
        const { bytes, sha256 } = await fingerprint(writePath, true).catch((error: unknown) => {
          throw isMissing(error)
            ? neverWritten(writePath, error)
            : explainFault(error, 'cannot make durable', writePath)
        })
        const path = contentPath(kind, name, sha256)
        await makeFolder(dirname(join(this.#folder, path)))
        if (await this.#place(writePath, path, sha256)) created.add(path)
        return { path, bytes, rows, sha256 }
      },
      discard: () => rm(writePath, { force: true }),
    }
  }

  /** The file under the name of its content: itself, or for a file of an earlier version a hard link or copy. @throws LakeError */
  async refer<File extends LakeFile>(kind: ContentKind, name: string, file: File): Promise<File> {
    if (isNamedByContent(file)) return file
    const path = contentPath(kind, name, file.sha256)
    const place = join(this.#folder, path)
    await makeFolder(dirname(place))
    const bytes = await stat(place).then(
      ({ size }) => size,
      () => null,
    )
    if (bytes !== file.bytes) {
      await removeFile(place)
      await linkOrCopy(join(this.#folder, file.path), place)
    }
    return { ...file, path }
  }

  /** Paths of all files, named by a generation or not. */
  async present(): Promise<string[]> {
    const below = await Promise.all(CONTENT_KINDS.map((kind) => namesBelow(this.#folder, kind)))
    const files = await Promise.all(below.flat().map((place) => namesBelow(this.#folder, place)))
    return files.flat().filter(isContentPath)
  }

  /** Lets the time that an unnamed file is kept begin now: readers may still use what a removed generation named. */
  async touch(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return
    const now = new Date(await fileSystemNowMs(this.#folder))
    for (const path of paths) await utimes(join(this.#folder, path), now, now).catch(ignoreMissing)
  }

  /** @param paths that a run created; those that a generation names stay */
  async removeUnnamed(paths: Iterable<string>): Promise<void> {
    const named = await this.#named()
    for (const path of paths) if (!named.has(path)) await removeFile(join(this.#folder, path))
  }

  /**
   * false: the content existed. If no generation names it, it could be swept, or be what a crash left: the new file takes its place, as it
   * does if the existing one was damaged.
   */
  async #place(writePath: string, path: string, sha256: string): Promise<boolean> {
    const place = join(this.#folder, path)
    try {
      await linkFinal(writePath, place)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw explainFault(error, 'cannot link to its final name', writePath)
    }
    const whole = (await this.#named()).has(path) && (await fingerprint(place)).sha256 === sha256
    if (whole) await removeFile(writePath)
    else {
      await rename(writePath, place)
      await fsyncFolder(dirname(place))
    }
    return false
  }
}

async function namesBelow(folder: string, place: string): Promise<string[]> {
  try {
    return (await readdir(join(folder, place))).map((name) => `${place}/${name}`)
  } catch (error) {
    if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return []
    throw error
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}
