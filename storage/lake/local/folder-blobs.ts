/**
 * The lake's files in a local or shared folder. Texts and files get their names by hard links when they are complete and durable. A folder's
 * modification time is the cheap sign that nothing changed: drafts of texts are written in the folder whose sign must change.
 */
import { statSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type {
  BlobStat,
  Blobs,
  CreateOptions,
  Fingerprint,
  NamesInFolder,
  ReplaceOptions,
  VersionedText,
} from '../blob-lake/blobs.ts'
import { damagedFile, missingFile, OTHER_CHECKSUM, otherSize } from '../blob-lake/file-faults.ts'
import { explainFault, isMissing } from '../lake-error.ts'
import type { StoredFile } from '../segment-files.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { CheckedFiles } from './checked-files.ts'
import {
  createExclusive,
  fileSystemNowMs,
  fingerprint,
  fsyncFolder,
  linkFinal,
  linkOrCopy,
  makeFolder,
  neverWritten,
  removeFile,
  replaceAtomically,
  UNFINISHED,
} from './durable-files.ts'
import { FolderListing } from './folder-listing.ts'
import { ModifiedTimes } from './modified-times.ts'

/** how long an untouched folder of manifests stands for all folders below it */
const TRUSTED_MS = 2_000
/** folders in which texts are drafted, besides the folders of their names */
const DRAFTS_IN = ['', 'manifests']

const NOTHING = (): void => {}

export class FolderBlobs implements Blobs {
  readonly trustedMs = TRUSTED_MS
  readonly listsLate = false
  /** absolute path of the dataset's folder */
  readonly folder: string
  readonly #dataset: string
  readonly #checked = new CheckedFiles()
  readonly #times = new ModifiedTimes()

  constructor(folder: string) {
    this.folder = folder
    this.#dataset = basename(folder)
  }

  nameOf(path: string): string {
    return join(this.folder, path)
  }

  read(path: string): Promise<string> {
    return readFile(this.nameOf(path), 'utf8')
  }

  /** The locks of a folder end with their holder's process: no version is needed to tell who may write. */
  async version(path: string): Promise<VersionedText | null> {
    try {
      return { text: await this.read(path), version: '' }
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  async stat(path: string): Promise<BlobStat | null> {
    try {
      const { size, mtimeMs } = await stat(this.nameOf(path))
      return { bytes: size, modifiedMs: mtimeMs }
    } catch (error) {
      if (isMissing(error)) return null
      throw error
    }
  }

  /** Here no file has several. */
  fingerprint(path: string): Promise<Fingerprint> {
    return fingerprint(this.nameOf(path))
  }

  async names(folder: string): Promise<string[]> {
    try {
      return await readdir(this.nameOf(folder))
    } catch (error) {
      if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return []
      throw error
    }
  }

  namesIn(folder: string, accepts: (name: string) => boolean): NamesInFolder {
    return new FolderListing(this.nameOf(folder), accepts, this.#times)
  }

  create(path: string, text: string, { sign }: CreateOptions = {}): Promise<boolean> {
    return createExclusive(this.nameOf(path), text, sign && this.nameOf(sign))
  }

  replace(path: string, text: string, options: ReplaceOptions = {}): Promise<void> {
    const { sign, before = NOTHING, after = NOTHING, isHint = false } = options
    const how = { draftsIn: sign && this.nameOf(sign), durable: !isHint }
    return replaceAtomically(this.nameOf(path), text, { before, after }, how)
  }

  remove(path: string): Promise<boolean> {
    return removeFile(this.nameOf(path))
  }

  copy(from: string, to: string): Promise<void> {
    return linkOrCopy(this.nameOf(from), this.nameOf(to))
  }

  async move(from: string, to: string): Promise<void> {
    try {
      await rename(this.nameOf(from), this.nameOf(to))
      await fsyncFolder(dirname(this.nameOf(from)))
    } catch (error) {
      throw explainFault(error, 'cannot rename', this.nameOf(from))
    }
  }

  async touch(paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return
    const now = new Date(await this.nowMs())
    for (const path of paths) await utimes(this.nameOf(path), now, now).catch(ignoreMissing)
  }

  nowMs(): Promise<number> {
    return fileSystemNowMs(this.folder)
  }

  makeFolder(folder: string): Promise<void> {
    return makeFolder(this.nameOf(folder))
  }

  async claimFolder(folder: string): Promise<boolean> {
    const path = this.nameOf(folder)
    try {
      await mkdir(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw explainFault(error, 'cannot create the folder', path)
    }
    return true
  }

  dropFolder(folder: string): Promise<void> {
    return rmdir(this.nameOf(folder))
  }

  removeFolder(folder: string): Promise<void> {
    return rm(this.nameOf(folder), { recursive: true, force: true })
  }

  async settle(folders: Iterable<string>): Promise<void> {
    for (const folder of folders) await fsyncFolder(this.nameOf(folder))
  }

  draftOf(path: string): string {
    return `${this.nameOf(path)}${UNFINISHED}`
  }

  async finishDraft(draft: string): Promise<Fingerprint> {
    return fingerprint(draft, true).catch((error: unknown) => {
      throw isMissing(error) ? neverWritten(draft, error) : explainFault(error, 'cannot make durable', draft)
    })
  }

  async land(draft: string, path: string, { sha256 }: Fingerprint): Promise<boolean> {
    try {
      await linkFinal(draft, this.nameOf(path))
      await this.#remember(path, sha256)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw explainFault(error, 'cannot link to its final name', draft)
    }
  }

  async landOver(draft: string, path: string, { sha256 }: Fingerprint): Promise<void> {
    await rename(draft, this.nameOf(path))
    await fsyncFolder(dirname(this.nameOf(path)))
    await this.#remember(path, sha256)
  }

  /** The checksum was computed when the draft was durable. Where another process has removed the file meanwhile, who reads it says so. */
  async #remember(path: string, sha256: string): Promise<void> {
    await this.#checked.remember(this.nameOf(path), sha256).catch(ignoreMissing)
  }

  removeDraft(draft: string): Promise<void> {
    return rm(draft, { force: true })
  }

  async sweepDrafts(untouchedMs: number): Promise<number> {
    const olderThanMs = (await this.nowMs()) - untouchedMs
    let freed = 0
    for (const below of DRAFTS_IN) {
      for (const name of await this.names(below)) {
        if (!name.startsWith('.') || !name.endsWith(UNFINISHED)) continue
        const path = join(below, name)
        const found = await this.stat(path)
        if (found !== null && found.modifiedMs < olderThanMs && (await this.remove(path))) freed += found.bytes
      }
    }
    return freed
  }

  /** @throws LakeError 'file-missing' or 'file-damaged' (by its size; verifyFiles compares checksums) */
  resolve(file: StoredFile): string {
    const path = this.nameOf(file.path)
    let bytes: number
    try {
      bytes = statSync(path).size
    } catch (error) {
      throw isMissing(error) ? missingFile(this.#dataset, path, error) : error
    }
    if (bytes === file.bytes) return path
    throw damagedFile(this.#dataset, path, otherSize(bytes, file.bytes))
  }

  async check(files: Iterable<LakeFile>): Promise<void> {
    const placed = Array.from(files, (file): [string, LakeFile] => [this.resolve(file), file])
    try {
      await this.#checked.check(placed, (path) => damagedFile(this.#dataset, path, OTHER_CHECKSUM))
    } catch (error) {
      const path = (error as NodeJS.ErrnoException).path ?? ''
      throw isMissing(error) ? missingFile(this.#dataset, path, error) : error
    }
  }

  async assertThere(files: Iterable<StoredFile>): Promise<void> {
    for (const file of files) this.resolve(file)
  }

  async bring(path: string): Promise<string> {
    return this.nameOf(path)
  }
}

function ignoreMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}
