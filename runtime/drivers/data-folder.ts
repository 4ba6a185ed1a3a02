/**
 * Where everything is in the data folder:
 *   log/<dataset>.sqlite, speed/<dataset>.sqlite, dictionary.sqlite, lake/<dataset>/…, scratch/<machine>@<process>-<n>/
 * Scratch folders live as long as their process; those of dead processes are removed at start.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CommandError } from '../commands/exit-codes.ts'

/** Scratch folders that this process made: of the same number may be an earlier process's, too. */
const own = new Set<string>()

export class DataFolder {
  readonly path: string
  readonly scratchFolder: string

  /** Opens the folder and makes it where it does not exist. @param scratch default: in the folder. @throws CommandError 'storage' */
  static open(path: string, scratch = join(path, 'scratch')): DataFolder {
    try {
      for (const part of ['log', 'speed', 'lake']) mkdirSync(join(path, part), { recursive: true })
      mkdirSync(scratch, { recursive: true })
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${path}' can not be made: ${(error as Error).message}; choose another with --data (or --set scratch=<folder>)`,
        { cause: error },
      )
    }
    return new DataFolder(path, scratch)
  }

  /** Opens what is there: who only reads must not make a folder of a name that was mistyped. @throws CommandError 'storage' */
  static openExisting(path: string, scratch?: string): DataFolder {
    if (existsSync(join(path, 'lake'))) return DataFolder.open(path, scratch)
    throw new CommandError(
      'storage',
      `there is no data folder '${path}'; name another with --data, or make it with \`watershed start\` or \`watershed ingest\``,
    )
  }

  private constructor(path: string, scratchFolder: string) {
    this.path = path
    this.scratchFolder = scratchFolder
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

  /** A fresh folder for files that live no longer than this process. @throws CommandError 'storage' */
  makeScratch(): string {
    try {
      const made = mkdtempSync(join(this.scratchFolder, `${machine()}${process.pid}-`))
      own.add(made)
      return made
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${this.path}' can not be written: ${(error as Error).message}; free space, make it writable for this user, or choose another with --data`,
        { cause: error },
      )
    }
  }

  /** Removes what processes of this machine that are gone left in scratch/. Others' are theirs: their numbers say nothing here. */
  sweepScratch(): void {
    for (const name of readdirSync(this.scratchFolder)) {
      if (!name.startsWith(machine())) continue
      const pid = /^(\d+)-/.exec(name.slice(machine().length))?.[1]
      const path = join(this.scratchFolder, name)
      if (pid === undefined || own.has(path)) continue
      if (Number(pid) === process.pid || !isAlive(Number(pid))) rmSync(path, { recursive: true, force: true })
    }
  }
}

/** A container has a name and process numbers of its own. */
function machine(): string {
  return `${hostname()}@`
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
