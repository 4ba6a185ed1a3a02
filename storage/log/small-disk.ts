/** For tests: a file system of a few kilobytes, so that a full or read-only disk is a real one. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** nothing may have a file open on it */
  makeReadOnly(): void
  remove(): void
}

/** null, with the reason printed, where this user can not mount one */
export function smallDisk(size: string): SmallDisk | null {
  const folder = mkdtempSync(join(tmpdir(), 'small-disk-'))
  const run = (command: string, ...words: string[]) => execFileSync(command, words, { stdio: 'pipe' })
  try {
    run('mount', '-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder)
  } catch (error) {
    rmSync(folder, { recursive: true })
    console.warn(`skipped: no tmpfs can be mounted here (${(error as Error).message.split('\n')[0]})`)
    return null
  }
  return {
    folder,
    makeReadOnly: () => run('mount', '-o', 'remount,ro', folder),
    remove: () => {
      run('umount', folder)
      rmSync(folder, { recursive: true })
    },
  }
}
