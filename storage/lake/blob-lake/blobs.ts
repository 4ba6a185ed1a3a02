/**
 * Port: where a dataset's lake keeps its files. Paths are relative to the dataset's place, with '/' between their parts.
 * Drivers: folder-blobs (a local or shared folder), s3-blobs (a bucket of an object store).
 *
 * What decides who commits is one conditional write each: `create` succeeds once per path, and `replace` with an expected version succeeds only while that
 * version stands. Nothing is decided by a listing: one may be late (`listsLate`), so that what it does not name is asked for by name.
 */
import type { StoredFile } from '../segment-files.ts'
import type { LakeFile } from '../segment-manifest.ts'

export interface Listing {
  /** changes when the names change */
  readonly version: number
  readonly names: readonly string[]
  /** equal to that of an earlier reading if nothing was added meanwhile; null: that cannot be told yet */
  readonly mark: string | null
}

/** The names in one folder, for frequent readers: another look is cheap while nothing changes. */
export interface NamesInFolder {
  read(): Promise<Listing>
  /** forces the next reading to list the folder */
  forget(): void
}

export interface BlobStat {
  readonly bytes: number
  /** epoch ms, by the clock of the storage */
  readonly modifiedMs: number
}

export interface Fingerprint {
  readonly bytes: number
  /** hex */
  readonly sha256: string
}

/** Some of the bytes of a file. */
export interface ByteRange {
  readonly offset: number
  readonly bytes: number
}

/** A finished draft that becomes a part of a file. */
export interface PartDraft {
  readonly draft: string
  /** as manifests will name it: readers find it as if it were a file of its own */
  readonly file: LakeFile
}

/** A text, and what tells it from every other text that this path ever had. */
export interface VersionedText {
  readonly text: string
  readonly version: string
}

export interface CreateOptions {
  /** a folder whose listings must not be taken for unchanged once the path exists */
  readonly sign?: string
}

export interface ReplaceOptions extends CreateOptions {
  /** run right before and after the moment from which readers see the new text */
  readonly before?: () => void | Promise<void>
  readonly after?: () => void | Promise<void>
  /**
   * What `version` returned; null: there was nothing. The text is replaced only if this is still so. A driver whose locks end with their
   * holder's process, whatever the process does, need not compare.
   */
  readonly expected?: string | null
  /** Nothing depends on the text: after a power loss, the one before may be there, or an empty one. Default false */
  readonly isHint?: boolean
}

export interface Blobs {
  /** how long an untouched sign of changes stands for all that is below its folder, ms */
  readonly trustedMs: number
  /** whether a listing may lack what was written before it began */
  readonly listsLate: boolean
  /** the path as messages have it, which a person can find */
  nameOf(path: string): string

  /** @throws an error that `isMissing` knows if there is nothing */
  read(path: string): Promise<string>
  /** null: there is nothing */
  version(path: string): Promise<VersionedText | null>
  stat(path: string): Promise<BlobStat | null>
  /** reads all of it, or these bytes. @throws an error that `isMissing` knows */
  fingerprint(path: string, range?: ByteRange): Promise<Fingerprint>
  /** names of files and folders in a folder, in no order; none if it does not exist */
  names(folder: string): Promise<string[]>
  namesIn(folder: string, accepts: (name: string) => boolean): NamesInFolder

  /** Puts a text where there is nothing, durably: of several concurrent callers only one gets `true`. @throws LakeError */
  create(path: string, text: string, options?: CreateOptions): Promise<boolean>
  /** Puts a text whether there was one or not, in one step, and durably but for a hint. @throws LakeError 'replaced-meanwhile' if it is not what was expected */
  replace(path: string, text: string, options?: ReplaceOptions): Promise<void>
  /** @returns whether it existed */
  remove(path: string): Promise<boolean>
  /** Another name for a file that nothing changes. @throws LakeError 'file-missing' */
  copy(from: string, to: string): Promise<void>
  move(from: string, to: string): Promise<void>
  /** Lets the time that files are kept begin now. Those that do not exist are left out. */
  touch(paths: readonly string[]): Promise<void>
  /** now, by the clock that dates files. @throws LakeError */
  nowMs(): Promise<number>

  makeFolder(folder: string): Promise<void>
  /** Makes a folder that does not exist, durably after `settle` of the one that it is in: of several concurrent callers only one gets `true`. */
  claimFolder(folder: string): Promise<boolean>
  /** Removes a folder in which nothing is left. */
  dropFolder(folder: string): Promise<void>
  /** Removes a folder and what is in it. */
  removeFolder(folder: string): Promise<void>
  /** Makes what was added to folders and removed from them stay so after a power loss. */
  settle(folders: Iterable<string>): Promise<void>

  /** The absolute path where the engine writes the file that will be `path`. */
  draftOf(path: string): string
  /** Size and checksum of a draft, made durable. @throws LakeError 'file-missing' if it was not written */
  finishDraft(draft: string): Promise<Fingerprint>
  /** Puts a finished draft where there is nothing. @returns false if the path is taken: nothing has changed then */
  land(draft: string, path: string, print: Fingerprint): Promise<boolean>
  /**
   * Puts finished drafts where there is nothing, as one file: one after the other. Absent where a file costs no request, and the engine reads
   * whole files only. @returns false if the path is taken
   */
  landTogether?(parts: readonly PartDraft[], path: string): Promise<boolean>
  /** Puts a finished draft in the place of a file. */
  landOver(draft: string, path: string, print: Fingerprint): Promise<void>
  removeDraft(draft: string): Promise<void>
  /** Removes drafts that are not among the names of folders, if they are older. @returns bytes freed */
  sweepDrafts(untouchedMs: number): Promise<number>

  /** see Lake.resolve */
  resolve(file: LakeFile): string
  /** see Lake.check */
  check(files: Iterable<LakeFile>): Promise<void>
  /** @throws LakeError 'file-missing' or 'file-damaged' if one does not exist or has another size */
  assertThere(files: Iterable<StoredFile>): Promise<void>
  /** The absolute path of a file that no manifest describes. @throws an error that `isMissing` knows */
  bring(path: string): Promise<string>
}
