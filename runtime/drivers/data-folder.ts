/**
 * Layout of the data folder:
 *   log/<dataset>.sqlite, speed/<dataset>.sqlite, dictionary.sqlite, lake/<dataset>/…, lake-cache/<bucket>/…, sources/<dataset>/…, jobs/<dataset>/…, replays/<dataset>/…, views/<dataset>/…, sessions/…, pages/<dataset>/…, scratch/<machine>@<process>-<n>/
 * Scratch folders live as long as their process; those of dead processes are removed at start.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { CommandError } from '../commands/exit-codes.ts'

/** Scratch folders of this process: an earlier process may have had the same process id. */
const own = new Set<string>()

export class DataFolder {
  readonly path: string
  readonly scratchFolder: string

  /** Opens the folder, and creates it if it does not exist. @param scratch default: in the folder. @throws CommandError 'storage' */
  static open(path: string, scratch = join(path, 'scratch')): DataFolder {
    try {
      for (const part of ['log', 'speed', 'lake']) mkdirSync(join(path, part), { recursive: true })
      mkdirSync(scratch, { recursive: true })
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${path}' cannot be created: ${(error as Error).message}; choose another with --data (or --set scratch=<folder>)`,
        { cause: error },
      )
    }
    return new DataFolder(path, scratch)
  }

  /** Opens an existing folder: a command that only reads must not create a folder for a mistyped path. @throws CommandError 'storage' */
  static openExisting(path: string, scratch?: string): DataFolder {
    if (existsSync(join(path, 'lake'))) return DataFolder.open(path, scratch)
    throw new CommandError(
      'storage',
      `data folder '${path}' ${existsSync(path) ? 'holds no data' : 'does not exist'}; choose another with --data, or create it with \`watershed start\` or \`watershed ingest\``,
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
  /** what is noted of the dataset's sources */
  sourcesFolder(dataset: string): string {
    return join(this.path, 'sources', dataset)
  }
  /** the jobs of the dataset: what waits, runs and has ended */
  jobsFolder(dataset: string): string {
    return join(this.path, 'jobs', dataset)
  }
  /** what is delivered and noted of the dataset's sinks */
  sinksFolder(dataset: string): string {
    return join(this.path, 'sinks', dataset)
  }
  /** which dead letters of the dataset were replayed */
  replaysFolder(dataset: string): string {
    return join(this.path, 'replays', dataset)
  }
  /** views of the dataset's page that people saved */
  savedViewsFolder(dataset: string): string {
    return join(this.path, 'views', dataset)
  }
  /** who is signed in to the page */
  get sessionsFolder(): string {
    return join(this.path, 'sessions')
  }
  /** further pages of answers of the command line */
  get pagesFolder(): string {
    return join(this.path, 'pages')
  }
  get dictionaryFile(): string {
    return join(this.path, 'dictionary.sqlite')
  }
  get lakeFolder(): string {
    return join(this.path, 'lake')
  }
  /** objects of a lake in an object store that are in use */
  get lakeCacheFolder(): string {
    return join(this.path, 'lake-cache')
  }

  /** A new folder for temporary files of this process. @throws CommandError 'storage' */
  makeScratch(): string {
    try {
      const made = mkdtempSync(join(this.scratchFolder, `${machine()}${process.pid}-`))
      own.add(made)
      return made
    } catch (error) {
      throw new CommandError(
        'storage',
        `data folder '${this.path}' cannot be written: ${(error as Error).message}; free space, make it writable for this user, or choose another with --data`,
        { cause: error },
      )
    }
  }

  /** Removes scratch folders of dead processes of this machine. Process ids of other machines cannot be checked here. */
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

/** A container has its own host name and process ids. */
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
