/** What a source of files reads, and whom it tells of it. */
import type { FormatOptions } from '../../formats/recognising-splitter.ts'
import type { ReplayPace } from '../../replay-pace.ts'

export interface FilesProgress {
  /** of the files that were listed, what is read and what they have, in bytes as they are stored */
  readonly bytesRead: number
  readonly bytesTotal: number
  readonly files: number
}

export interface FilesSourceOptions {
  /** files, folders and patterns */
  readonly paths: readonly string[]
  /** whether it waits for more */
  readonly follow: boolean
  readonly format?: FormatOptions
  /** replays events by their time */
  readonly pace?: ReplayPace
  /** told when everything that is there was given, and what could not be read is known */
  readonly onCaughtUp?: () => void
  readonly onProgress?: (progress: FilesProgress) => void
  /** a file that cannot be read; the others are read, and this one again when it has changed */
  readonly onFault?: (path: string, error: Error) => void
}
