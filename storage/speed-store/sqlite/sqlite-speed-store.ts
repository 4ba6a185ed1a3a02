/**
 * The embedded speed store: one SQLite file per dataset. A flush is one transaction and a read is another, so a reader sees
 * partials and markers of one moment.
 *
 * It is a cache: what is in it can be folded again from the log. So a damaged file is made anew, and a commit need not be on
 * disk when it returns. synchronous=NORMAL, not OFF: a power cut may take back the newest flushes, whole ones only. With OFF it
 * could keep a marker and lose partials under it, which no check of the file finds, and answers would be wrong until the
 * replay has passed the marker. NORMAL was measured as fast.
 */
import { rmSync, statSync } from 'node:fs'
import type { Offset, Positions } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'
import { SqliteFile } from '#storage/sqlite/sqlite-file.ts'
import { OPEN_ROWS_BYTES_MAX, tooManyRows } from '../read-limit.ts'
import type { Marker, OpenPartials, PaneRange, PartialRow, SpeedStore } from '../speed-store.ts'
import { SPEED_FORMAT, SPEED_SCHEMA, SPEED_UPGRADES, SqliteSpeedTables } from './sqlite-speed-tables.ts'

export interface SqliteSpeedStoreOptions {
  readonly file: string
  readonly dataset: string
  /** EventLog.identity: partials of another log's offsets are dropped when the store is opened */
  readonly log?: string
  /** rows that one read takes into memory; default OPEN_ROWS_BYTES_MAX */
  readonly openRowsBytesMax?: number
  readonly step?: StepHook
  /** told when what the file held was dropped: it was damaged, of another version, or of another log */
  readonly onRebuilt?: (reason: string) => void
}

/** 'Wspd' */
const APPLICATION_ID = 0x57_73_70_64
const AGAIN = 'the open segments are folded again from the log'

/** What this handle flushed last of a partition. */
interface Flushed {
  /** in another file, what was flushed before is missing under the next marker */
  readonly into: SqliteFile
  readonly segmentStart: Offset
  readonly through: Offset
}

interface Opened {
  readonly file: SqliteFile
  readonly tables: SqliteSpeedTables
}

export class SqliteSpeedStore implements SpeedStore {
  readonly #options: SqliteSpeedStoreOptions
  readonly #step: StepHook
  /** per partition */
  readonly #flushed = new Map<number, Flushed>()
  #opened: Opened
  #reopening: Promise<void> | null = null

  /** Opens or creates the store; a damaged file is replaced by an empty one. @throws StorageFileError */
  static async open(options: SqliteSpeedStoreOptions): Promise<SqliteSpeedStore> {
    return new SqliteSpeedStore(await openOrRebuild(options), options)
  }

  private constructor(opened: Opened, options: SqliteSpeedStoreOptions) {
    this.#opened = opened
    this.#options = options
    this.#step = options.step ?? noSteps
  }

  /** @throws StorageFileError also when the file was replaced or damaged, or what was flushed was deleted: fold the open segment again from its start */
  async flush(partials: readonly PartialRow[], marker: Marker): Promise<void> {
    await this.#step('flush:before')
    const { partition, segmentStart, through } = marker
    const doing = `flushing partition ${partition} through offset ${through}`
    const { file, tables } = await this.#present()
    const before = this.#flushed.get(partition)
    this.#flushed.delete(partition)
    if (before !== undefined && before.into !== file)
      throw this.#anew('replaced', doing, 'the file was deleted or replaced; a new one is open')
    try {
      await file.write(doing, () => {
        if (before?.segmentStart === segmentStart) this.#assertKept(tables, partition, before, doing)
        tables.upsert(partials, marker)
      })
    } catch (error) {
      if (!isReason(error, 'damaged')) throw error
      await this.#reopen()
      throw this.#anew('damaged', doing, `the file is damaged (${whyOf(error)}); a new one is open`, error)
    }
    this.#flushed.set(partition, { into: file, segmentStart, through })
    file.boundWal()
    await this.#step('flush:written')
  }

  /** No marker may be put over partials that were deleted. */
  #assertKept(tables: SqliteSpeedTables, partition: number, before: Flushed, doing: string): void {
    const through = tables.through(partition, before.segmentStart)
    if (through !== null && through >= before.through) return
    const found = through === null ? 'no marker' : `a marker through offset ${through}`
    throw this.#anew('replaced', doing, `offset ${before.through} was flushed before, but there is ${found}`)
  }

  /** @throws StorageFileError; 'too-large' if the rows exceed openRowsBytesMax */
  async read(views: readonly string[], starts: Positions, panes?: PaneRange): Promise<OpenPartials> {
    const { file, tables } = await this.#present()
    const { openRowsBytesMax = OPEN_ROWS_BYTES_MAX, file: path } = this.#options
    const open = await file.read('reading partials', () => tables.read(views, starts, openRowsBytesMax, panes))
    if (open !== null) return open
    throw new StorageFileError(path, 'too-large', tooManyRows(`speed store ${path}`, openRowsBytesMax))
  }

  async markers(): Promise<ReadonlyMap<number, Marker>> {
    const { file, tables } = await this.#present()
    return file.look('reading markers', () => tables.newestMarkers())
  }

  async deleteClosed(partition: number, before: Offset, limit: number): Promise<number> {
    const { file, tables } = await this.#present()
    return file.write(`deleting closed segments of partition ${partition}`, () =>
      tables.deleteBefore(partition, before, limit),
    )
  }

  async close(): Promise<void> {
    await this.#reopening?.catch(() => {})
    this.#opened.file.close()
  }

  /** The file that others see now. */
  async #present(): Promise<Opened> {
    if (this.#opened.file.replaced) await this.#reopen()
    return this.#opened
  }

  #anew(reason: 'replaced' | 'damaged', doing: string, why: string, cause?: unknown): StorageFileError {
    const { file } = this.#options
    const message = `speed store ${file}: ${doing}: ${why}; ${AGAIN}`
    return new StorageFileError(file, reason, message, cause)
  }

  #reopen(): Promise<void> {
    this.#reopening ??= this.#reopenNow().finally(() => {
      this.#reopening = null
    })
    return this.#reopening
  }

  async #reopenNow(): Promise<void> {
    const fresh = await openOrRebuild(this.#options)
    this.#opened.file.close()
    this.#opened = fresh
  }
}

async function openOrRebuild(options: SqliteSpeedStoreOptions): Promise<Opened> {
  const seen = fileMark(options.file)
  try {
    return await openFile(options)
  } catch (error) {
    if (!isReason(error, 'damaged') && !isReason(error, 'other-format')) throw error
    // Of several that see the damage, one makes the file anew; the others find it new.
    if (fileMark(options.file) === seen) {
      // The write-ahead file first: beside a new main file it would be taken for its own.
      for (const suffix of ['-wal', '-shm', '']) rmSync(`${options.file}${suffix}`, { force: true })
      options.onRebuilt?.(`speed store ${options.file} is unusable (${whyOf(error)}) and was recreated; ${AGAIN}`)
    }
    return openFile(options)
  }
}

async function openFile(options: SqliteSpeedStoreOptions): Promise<Opened> {
  const { dataset, log = '' } = options
  const file = await SqliteFile.open({
    file: options.file,
    what: 'speed store',
    applicationId: APPLICATION_ID,
    format: SPEED_FORMAT,
    upgrades: SPEED_UPGRADES,
    schema: SPEED_SCHEMA,
    synchronous: 'NORMAL',
    checked: true,
  })
  try {
    const tables = new SqliteSpeedTables(file)
    const before = await file.write('opening it', () => tables.claim({ dataset, log }))
    if (before && before.dataset !== dataset) {
      const message = `speed store ${options.file}: the file belongs to dataset '${before.dataset}', not '${dataset}'; give each dataset its own file`
      throw new StorageFileError(options.file, 'foreign', message)
    }
    if (before?.log && log && before.log !== log)
      options.onRebuilt?.(
        `speed store ${options.file} belonged to log ${before.log}, but this log is ${log}, so it was emptied; ${AGAIN}`,
      )
    return { file, tables }
  } catch (error) {
    file.close()
    throw error
  }
}

function isReason(error: unknown, reason: StorageFileError['reason']): boolean {
  return error instanceof StorageFileError && error.reason === reason
}

/** without the advice for files that cannot be made anew */
function whyOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message : message
}

/** Tells one file from another at the same path. */
function fileMark(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true })
  return found ? `${found.ino}:${found.birthtimeNs}` : ''
}
