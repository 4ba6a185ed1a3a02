/**
 * Where everything is in the data folder:
 *   log/<dataset>.sqlite, speed/<dataset>.sqlite, dictionary.sqlite, lake/<dataset>/…, scratch/<process>-<n>/
 * Scratch folders live as long as their process; those of dead processes are removed at start.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from './exit-codes.ts'

export class DataFolder {
  readonly path: string

  /** Opens the folder and makes it where it does not exist. @throws CommandError 'storage' */
  static open(path: string): DataFolder {
    try {
      for (const part of ['log', 'speed', 'lake', 'scratch']) mkdirSync(join(path, part), { recursive: true })
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${path}' can not be made: ${(error as Error).message}; choose another with --data`,
        { cause: error },
      )
    }
    return new DataFolder(path)
  }

  private constructor(path: string) {
    this.path = path
  }

  logFile(dataset: string): string {
    return join(this.path, 'log', `${dataset}.sqlite`)
  }
  speedFile(dataset: string): string {
    return join(this.path, 'speed', `${dataset}.sqlite`)
  }
  get dictionaryFile(): string {
    return join(this.path, 'dictionary.sqlite')
  }
  get lakeFolder(): string {
    return join(this.path, 'lake')
  }
  get scratchFolder(): string {
    return join(this.path, 'scratch')
  }

  /** A fresh folder for files that live no longer than this process. @throws CommandError 'storage' */
  makeScratch(): string {
    try {
      return mkdtempSync(join(this.scratchFolder, `${process.pid}-`))
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${this.path}' can not be written: ${(error as Error).message}; free space, make it writable for this user, or choose another with --data`,
        { cause: error },
      )
    }
  }

  /** Removes what processes that are gone left in scratch/. */
  sweepScratch(): void {
    for (const name of readdirSync(this.scratchFolder)) {
      const pid = /^(\d+)-/.exec(name)?.[1]
      if (pid !== undefined && !isAlive(Number(pid))) {
        rmSync(join(this.scratchFolder, name), { recursive: true, force: true })
      }
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
