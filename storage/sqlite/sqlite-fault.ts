/** Faults of the embedded files, with messages that an operator can act on; none exposes SQLite's types. */
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Why a file is unusable: 'full', 'read-only', 'unreachable' (missing folder, no permission), 'damaged', 'foreign' (another
 * program's or dataset's), 'other-format' (another version's), 'busy' (another process holds it), 'failing' (the disk gives errors),
 * 'replaced' (deleted or replaced while it was open), 'too-large' (a result exceeds its limit), 'closed'.
 */
export type FileFaultReason =
  | 'full'
  | 'read-only'
  | 'unreachable'
  | 'damaged'
  | 'foreign'
  | 'other-format'
  | 'busy'
  | 'failing'
  | 'replaced'
  | 'too-large'
  | 'closed'

export class StorageFileError extends Error {
  readonly file: string
  readonly reason: FileFaultReason
  constructor(file: string, reason: FileFaultReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'StorageFileError'
    this.file = file
    this.reason = reason
  }

  /** whether the same request can succeed later without intervention */
  get retryable(): boolean {
    return ['full', 'busy', 'failing'].includes(this.reason)
  }
}

/** less space than SQLite needs to open a file */
const FULL_BYTES = 64 * 1024

/** SQLite's primary result codes, https://sqlite.org/rescode.html */
const REASONS: Readonly<Record<number, keyof typeof ADVICE>> = {
  3: 'read-only',
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  10: 'failing',
  11: 'damaged',
  13: 'full',
  14: 'unreachable',
  23: 'read-only',
  26: 'damaged',
}

const ADVICE = {
  full: 'the disk is full; nothing was written. Free space, work then resumes automatically',
  'read-only': 'the file or its folder cannot be written; check permissions and mount options',
  unreachable: 'check that its folder exists and that this user may write there',
  damaged: 'the file is damaged or belongs to another program; stop the platform and restore the file from a copy',
  busy: 'another process held the lock for too long; retry',
  failing: 'the disk reports errors or is full; check it. Nothing was written',
} as const satisfies Partial<Record<FileFaultReason, string>>

/** The error of a driver for a fault of its file: names the file, the operation and the remedy. Other errors are returned unchanged. */
export function fileFault(what: string, file: string, doing: string, error: unknown): unknown {
  const told = reasonOf(error)
  if (told === null) return error
  const reason = told === 'failing' && isFull(file) ? 'full' : told
  const message = `${what} ${file}: ${doing}: ${(error as Error).message}; ${ADVICE[reason]}`
  return new StorageFileError(file, reason, message, error)
}

/** SQLite reports a disk without space for its shared memory, or for one more page, as an I/O error. */
function isFull(file: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(file))
    return bavail * bsize < FULL_BYTES
  } catch {
    return false
  }
}

/** null if the error is not one of SQLite */
export function reasonOf(error: unknown): keyof typeof ADVICE | null {
  if (error instanceof StorageFileError) return null
  const code = (error as { readonly errcode?: unknown }).errcode
  return typeof code === 'number' ? (REASONS[code & 0xff] ?? 'failing') : null
}
