/** Temporary files for one statement of the engine. */
import { appendFile, writeFile } from 'node:fs/promises'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'

/** default line length limit of the engine */
export const ENGINE_LINE_BYTES_MAX = 16 * 1024 * 1024

const FAULTS = {
  ENOSPC: { reason: 'full', what: 'the disk is full; free space, work then resumes automatically' },
  EDQUOT: {
    reason: 'full',
    what: 'the disk quota is used up; raise it or free space, work then resumes automatically',
  },
  EROFS: { reason: 'read-only', what: 'the file system is read-only; mount it writable' },
  EACCES: { reason: 'unreachable', what: 'permission denied; give this user write access' },
  ENOENT: { reason: 'unreachable', what: 'its folder was removed; start again' },
} as const

/** @param contents several pieces are written one after the other; @throws StorageFileError that names the file and what to do */
export async function writeScratch(
  file: string,
  contents: string | Buffer | Iterable<Buffer>,
  encoding?: BufferEncoding,
): Promise<void> {
  await explained(file, () => writeFile(file, contents, encoding))
}

/** Appends to the file. @throws StorageFileError that names the file and what to do */
export async function appendScratch(file: string, contents: Buffer): Promise<void> {
  await explained(file, () => appendFile(file, contents))
}

async function explained(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write()
  } catch (error) {
    const fault = FAULTS[(error as NodeJS.ErrnoException).code as keyof typeof FAULTS]
    if (fault === undefined) throw error
    throw new StorageFileError(file, fault.reason, `scratch file ${file}: ${fault.what}`, error)
  }
}
