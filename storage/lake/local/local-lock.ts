/**
 * A lock that is released automatically when its holder dies: an exclusive transaction on a tiny SQLite file, held for the whole run. The
 * operating system releases it when the process ends. Nothing else in the process may open and close that file: this would release the POSIX lock.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { LakeLocks } from '../blob-lake/lake-locks.ts'
import type { HeldLock, LakeWork } from '../lake.ts'
import { explainFault, LakeError } from '../lake-error.ts'

export class LocalLocks implements LakeLocks {
  readonly #folder: string

  /** @param folder of the dataset */
  constructor(folder: string) {
    this.#folder = folder
  }

  async tryLock(work: LakeWork): Promise<HeldLock | null> {
    return tryLocalLock(this.#folder, work)
  }

  /** Nobody can take over a lock while its holder's process exists. */
  async prove(): Promise<void> {}

  stamp(): null {
    return null
  }
}

/** Holds the lock of a work in `folder` until `release`; null if another holder has it, in this process or another one. */
function tryLocalLock(folder: string, work: LakeWork): HeldLock | null {
  const path = join(folder, `${work}.lock.sqlite`)
  const file = openLockFile(path)
  try {
    file.exec('PRAGMA busy_timeout = 0')
    // The first transaction on an empty file writes a page; later ones write nothing, so that the lock needs no space on a full disk.
    if (file.prepare('PRAGMA user_version').get()!.user_version === 0) file.exec('PRAGMA user_version = 1')
    file.exec('BEGIN EXCLUSIVE')
  } catch (error) {
    file.close()
    if (error instanceof Error && /locked|busy/i.test(error.message)) return null
    throw unusable(path, error)
  }
  return {
    async release(): Promise<void> {
      if (file.isOpen) file.close()
    },
  }
}

function openLockFile(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path)
  } catch (error) {
    throw unusable(path, error)
  }
}

function unusable(path: string, error: unknown): unknown {
  const message = error instanceof Error ? error.message : String(error)
  if (/not a database|malformed/i.test(message)) {
    return new LakeError(
      'manifest-damaged',
      `lake: the lock file '${path}' was overwritten by another program; remove it while nothing else uses the data folder, it contains no data`,
      { cause: error },
    )
  }
  if (/unable to open|readonly|read-only/i.test(message)) {
    return new LakeError(
      'not-writable',
      `lake: cannot open the lock file '${path}': ${message}; check the folder's permissions`,
      {
        cause: error,
      },
    )
  }
  return explainFault(error, 'cannot lock', path)
}
