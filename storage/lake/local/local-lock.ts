/**
 * A lock that a dead owner loses: an exclusive transaction on a tiny SQLite file, held for the whole run. The operating system drops
 * it with the process, however that ends. Nothing else may open and close that file: POSIX locks would go with it.
 */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { explainFault, LakeError } from '../lake-error.ts'

/** Holds the lock in `folder` until `release`; null when someone else holds it, in this process or another one. */
export function tryLocalLock(folder: string): { release(): Promise<void> } | null {
  const path = join(folder, 'batch.lock.sqlite')
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
      `lake: the lock file '${path}' was overwritten by something else; remove it while no batch runs, it holds no data`,
      { cause: error },
    )
  }
  if (/unable to open|readonly|read-only/i.test(message)) {
    return new LakeError(
      'not-writable',
      `lake: can not open the lock file '${path}': ${message}; check the folder's permissions`,
      {
        cause: error,
      },
    )
  }
  return explainFault(error, 'can not lock', path)
}
