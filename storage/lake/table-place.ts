/**
 * Port: the part of a lake in which open tables are kept: their logs, and files that belong to a table alone. Paths are relative to the
 * dataset's place, with '/' between their parts. One writer: the holder of the batch lock.
 */
import type { LakeFile } from './segment-manifest.ts'

/** A file of a table, on its way there. */
export interface TableDraft {
  /** absolute path to write to */
  readonly writePath: string
  /** gives it its name, durably. `rows` is not checked. */
  finish(rows: number): Promise<LakeFile>
  /** removes it, unfinished or finished */
  discard(): Promise<void>
}

export interface TablePlace {
  /** where other programs find it: an absolute path, or s3://… */
  nameOf(path: string): string
  /** null: there is nothing */
  read(path: string): Promise<string | null>
  /**
   * Puts a text where there is nothing, durably and whole: of several writers only one gets `true`, whatever listings say.
   * @throws LakeError 'lock-lost' where another process holds the batch lock by now
   */
  create(path: string, text: string): Promise<boolean>
  /** Puts a text whether there was one or not, in one step, durably. @throws LakeError as `create` */
  replace(path: string, text: string): Promise<void>
  /** names of files and folders in a folder, in no order; none if it does not exist. One that was just written may be missing. */
  names(folder: string): Promise<readonly string[]>
  /** since when a file has not changed, ms, by the clock of the storage; null: there is nothing */
  ageMs(path: string): Promise<number | null>
  /** Does nothing where there is nothing. @throws LakeError as `create` */
  remove(path: string): Promise<void>
  /** Removes a folder and what is in it. @throws LakeError as `create` */
  removeFolder(folder: string): Promise<void>
  /** Stages a file that the engine writes; it gets its name when it is finished. @throws LakeError as `create` */
  stage(path: string): Promise<TableDraft>
  /** absolute path of a file that is complete, for the engine. @throws an error that `isMissing` knows */
  bring(path: string): Promise<string>
}
