/** For tests: a real file system of a few kilobytes that can be full or read-only. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface SmallDisk {
  readonly folder: string
  /** nothing may have a file open on it */
  makeReadOnly(): void
  makeWritable(): void
  /** fills the remaining space */
  fill(): void
  /** releases what `fill` used */
  free(): void
  remove(): void
}

const BALLAST = 'ballast'
const CHUNK_BYTES = 64 * 1024

/** null, with the reason printed, if this user cannot mount one */
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
    makeWritable: () => run('mount', '-o', 'remount,rw', folder),
    fill: () => fill(join(folder, BALLAST)),
    free: () => rmSync(join(folder, BALLAST), { force: true }),
    remove: () => {
      run('umount', folder)
      rmSync(folder, { recursive: true })
    },
  }
}

function fill(file: string): void {
  const ballast = openSync(file, 'a')
  try {
    for (let bytes = CHUNK_BYTES; bytes >= 1; ) if (!written(ballast, bytes)) bytes /= 2
  } finally {
    closeSync(ballast)
  }
}

function written(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes)) === bytes
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
