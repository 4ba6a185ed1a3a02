/**
 * A SQLite file of the platform: usable by several processes and threads at once, distinguished from files of other programs, with a
 * bounded write-ahead log. Transactions contain no await, so no other code on the connection sees them incomplete.
 */
import { statSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { Backoff } from '#core/backoff.ts'
import { fileFault, reasonOf, StorageFileError } from './sqlite-fault.ts'

/** how long to wait for a lock that another process holds */
export const LOCK_WAIT_MS_MAX = 10_000
/** the part of that wait which blocks this thread: most locks are held for less */
const LOCK_BLOCK_MS_MAX = 50
const LOCK_RETRY_LIMITS = { retryMsMax: LOCK_WAIT_MS_MAX, waitMsFirst: 10, waitMsMax: 10 }

/** size of the write-ahead log after which a commit checkpoints it */
const CHECKPOINT_BYTES = 16 * 1024 * 1024
/** Pages that a connection keeps. The operating system has the files in its memory, too, and a platform has a dozen connections. */
const CACHE_KIB = 2_000
/** a write-ahead log that grew beyond this, because a reader always held it, is truncated when the readers release it */
export const WAL_BYTES_MAX = 128 * 1024 * 1024

export interface SqliteFileOptions {
  readonly file: string
  /** for messages: 'log', 'speed store', 'dictionary' */
  readonly what: string
  /** marks the file as one of this kind, https://sqlite.org/pragma.html#pragma_application_id */
  readonly applicationId: number
  /** format version of the tables; another one is refused, or upgraded */
  readonly format: number
  /** by older format: the statements that make the next one of it */
  readonly upgrades?: Readonly<Record<number, string>>
  readonly schema: string
  /** FULL: a commit is on disk when it returns. NORMAL: a power failure may roll back the newest commits, only whole ones */
  readonly synchronous: 'FULL' | 'NORMAL'
  /** page size of a new file: a power of two from 512 to 65,536; an existing file keeps its own. Default: SQLite's, 4,096 */
  readonly pageBytes?: number
  /** checks for damage when opening; reads the whole file */
  readonly checked?: boolean
}

export class SqliteFile {
  readonly path: string
  readonly #options: SqliteFileOptions
  readonly #db: DatabaseSync
  readonly #inode: number
  #walBytesMax = WAL_BYTES_MAX

  /** Opens or creates it. @throws StorageFileError */
  static async open(options: SqliteFileOptions): Promise<SqliteFile> {
    return retryWhileBusy(options, 'opening it', () => new SqliteFile(options))
  }

  private constructor(options: SqliteFileOptions) {
    this.path = options.file
    this.#options = options
    this.#db = new DatabaseSync(options.file, { timeout: LOCK_BLOCK_MS_MAX })
    try {
      prepareFile(this.#db, options)
      this.#inode = statSync(options.file).ino
    } catch (error) {
      this.#db.close()
      throw error
    }
  }

  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql)
  }

  /** Reads in one statement. @throws StorageFileError */
  async look<Result>(doing: string, look: () => Result): Promise<Result> {
    return retryWhileBusy(this.#options, doing, look)
  }

  /** Several reads in one read transaction. `look` must not await. @throws StorageFileError */
  async read<Result>(doing: string, look: () => Result): Promise<Result> {
    return this.look(doing, () => this.#transaction('BEGIN', look))
  }

  /** One write transaction, all or nothing. `change` must not await. @throws StorageFileError */
  async write<Result>(doing: string, change: () => Result): Promise<Result> {
    return this.look(doing, () => this.#transaction('BEGIN IMMEDIATE', change))
  }

  /** As `write`, with an await between the changes and the commit; the connection must not be used meanwhile. */
  async writeAround<Result>(
    doing: string,
    change: () => Result,
    beforeCommit: () => void | Promise<void>,
  ): Promise<Result> {
    await this.look(doing, () => this.#db.exec('BEGIN IMMEDIATE'))
    try {
      const result = change()
      await beforeCommit()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#rollback()
      throw fileFault(this.#options.what, this.path, doing, error)
    }
  }

  /** Whether the file was deleted or replaced since it was opened: other processes would not see what is written to it. */
  get replaced(): boolean {
    return statSync(this.path, { throwIfNoEntry: false })?.ino !== this.#inode
  }

  /** Truncates the write-ahead log if it grew too long, unless a reader holds it: then a later call tries again. */
  boundWal(): void {
    const bytes = statSync(`${this.path}-wal`, { throwIfNoEntry: false })?.size ?? 0
    if (bytes <= this.#walBytesMax) return
    let emptied = false
    try {
      const found = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { readonly busy: number }
      emptied = found.busy === 0
    } catch {
      // What was committed stays in the write-ahead log; the next commit reports a failing disk.
    }
    // Held by a reader: try again after some more writes, so that not every commit waits for it.
    this.#walBytesMax = emptied ? WAL_BYTES_MAX : bytes + WAL_BYTES_MAX / 4
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close()
  }

  #transaction<Result>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', change: () => Result): Result {
    this.#db.exec(begin)
    try {
      const result = change()
      this.#db.exec('COMMIT')
      return result
    } catch (error) {
      this.#rollback()
      throw error
    }
  }

  #rollback(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    } catch {
      // the original fault is the one to report
    }
  }
}

function prepareFile(db: DatabaseSync, options: SqliteFileOptions): void {
  assertOurs(db, options)
  // SQLite ignores this for a file that has pages already.
  if (options.pageBytes !== undefined) db.exec(`PRAGMA page_size = ${options.pageBytes}`)
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.synchronous};
    PRAGMA wal_autocheckpoint = ${Math.floor(CHECKPOINT_BYTES / pragma(db, 'page_size'))}; PRAGMA cache_size = -${CACHE_KIB}; PRAGMA journal_size_limit = ${WAL_BYTES_MAX}`)
  if (!isNew(db)) {
    checkPages(db, options)
    if (pragma(db, 'user_version') === options.format) return
  }
  db.exec('BEGIN IMMEDIATE')
  try {
    if (isNew(db)) db.exec(options.schema)
    // Another process may have upgraded it meanwhile.
    else for (let from = pragma(db, 'user_version'); from < options.format; from++) db.exec(options.upgrades![from]!)
    db.exec(`PRAGMA application_id = ${options.applicationId}; PRAGMA user_version = ${options.format}`)
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Checks before anything is changed: a file of another program is left unchanged. */
function assertOurs(db: DatabaseSync, { file, what, applicationId, format, upgrades = {} }: SqliteFileOptions): void {
  if (isNew(db)) return
  const id = pragma(db, 'application_id')
  if (id !== applicationId) {
    const why = 'the file belongs to another program and was left unchanged; choose another data folder'
    throw new StorageFileError(file, 'foreign', `${what} ${file}: ${why}`)
  }
  const found = pragma(db, 'user_version')
  if (found !== format && !Object.hasOwn(upgrades, found)) {
    const why = `it has format ${found}, but this version reads format ${format}; use the version that wrote it`
    throw new StorageFileError(file, 'other-format', `${what} ${file}: ${why}`)
  }
}

/** The file is empty: the schema and its application id are created in one transaction. */
function isNew(db: DatabaseSync): boolean {
  return pragma(db, 'schema_version') === 0 && pragma(db, 'application_id') === 0
}

function checkPages(db: DatabaseSync, { file, what, checked }: SqliteFileOptions): void {
  if (!checked) return
  const found = (db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }).quick_check
  if (found !== 'ok') throw new StorageFileError(file, 'damaged', `${what} ${file}: ${found.replace(/\s+/g, ' ')}`)
}

function pragma(db: DatabaseSync, name: string): number {
  return Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0] as number
}

async function retryWhileBusy<Result>(
  { what, file }: Pick<SqliteFileOptions, 'what' | 'file'>,
  doing: string,
  attempt: () => Result,
): Promise<Result> {
  const tries = new Backoff(LOCK_RETRY_LIMITS)
  for (;;) {
    try {
      return attempt()
    } catch (error) {
      const waitMs = reasonOf(error) === 'busy' ? tries.nextMs() : null
      if (waitMs === null) throw fileFault(what, file, doing, error)
      await sleep(waitMs)
    }
  }
}
