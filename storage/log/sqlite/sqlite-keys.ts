/**
 * The keys of appends, in the log's file: stored in the transaction of the append that they belong to, so that both are there or neither.
 * Called inside transactions. Keys expire in the order in which they were stored, so their number and bytes are known from the first and the last.
 */
import type { StatementSync } from 'node:sqlite'
import type { OffsetRange } from '#core/offsets.ts'
import type { SqliteFile } from '#storage/sqlite/sqlite-file.ts'
import {
  type AppendOnce,
  assertSame,
  isExpired,
  type KeyLimits,
  rangesOf,
  rangesText,
  TooManyKeysError,
} from '../append-once.ts'

/** `through`: bytes of all keys up to this one, since the table was empty. */
const TABLE = `CREATE TABLE IF NOT EXISTS log_keys (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, ranges TEXT NOT NULL, through INTEGER NOT NULL)`

/** removed in one step */
const EXPIRED_MAX = 200

interface KeyRow {
  readonly at_ms: number
  readonly fingerprint: string
  readonly ranges: string
}

interface KeyPlace {
  readonly id: number
  readonly at_ms: number
  readonly through: number
}

export class SqliteKeys {
  readonly #limits: KeyLimits
  readonly #find: StatementSync
  readonly #oldest: StatementSync
  readonly #first: StatementSync
  readonly #newest: StatementSync
  readonly #insert: StatementSync
  readonly #remove: StatementSync
  readonly #removeBefore: StatementSync

  /** In a log of an earlier version there is no table of keys yet. */
  static async open(file: SqliteFile, limits: KeyLimits): Promise<SqliteKeys> {
    await file.write('preparing the table of keys', () => file.prepare(TABLE).run())
    return new SqliteKeys(file, limits)
  }

  private constructor(file: SqliteFile, limits: KeyLimits) {
    this.#limits = limits
    this.#find = file.prepare('SELECT at_ms, fingerprint, ranges FROM log_keys WHERE key = ?')
    this.#oldest = file.prepare(`SELECT id, at_ms, through FROM log_keys ORDER BY id LIMIT ${EXPIRED_MAX}`)
    this.#first = file.prepare('SELECT id, at_ms, through FROM log_keys ORDER BY id LIMIT 1')
    this.#newest = file.prepare('SELECT id, at_ms, through FROM log_keys ORDER BY id DESC LIMIT 1')
    this.#insert = file.prepare(
      'INSERT INTO log_keys (key, at_ms, fingerprint, ranges, through) VALUES (?, ?, ?, ?, ?)',
    )
    this.#remove = file.prepare('DELETE FROM log_keys WHERE key = ?')
    this.#removeBefore = file.prepare('DELETE FROM log_keys WHERE id < ?')
  }

  /** Where the records of an earlier append under the key are; null if there was none. @throws KeyReusedError */
  find(once: AppendOnce, nowMs: number): readonly OffsetRange[] | null {
    const kept = this.#find.get(once.key) as KeyRow | undefined
    if (kept === undefined || isExpired(kept.at_ms, nowMs, this.#limits)) return null
    assertSame(once, kept)
    return rangesOf(kept.ranges)
  }

  /** Removes some that have expired; all of them if only then there is room. @throws TooManyKeysError */
  makeRoom(nowMs: number): void {
    while (this.#expireSome(nowMs) > 0 && this.#isFull()) {}
    if (this.#isFull()) throw new TooManyKeysError(this.#limits)
  }

  add({ key, fingerprint }: AppendOnce, ranges: readonly OffsetRange[], nowMs: number): void {
    // One that has expired behind others that have not: clocks that go back leave such.
    this.#remove.run(key)
    const text = rangesText(ranges)
    const bytes = key.length + fingerprint.length + text.length
    const newest = this.#newest.get() as KeyPlace | undefined
    this.#insert.run(key, nowMs, fingerprint, text, (newest?.through ?? 0) + bytes)
  }

  #expireSome(nowMs: number): number {
    const oldest = this.#oldest.all() as unknown as readonly KeyPlace[]
    const kept = oldest.findIndex(({ at_ms }) => !isExpired(at_ms, nowMs, this.#limits))
    const expired = kept < 0 ? oldest.length : kept
    if (expired > 0) this.#removeBefore.run(oldest[expired - 1]!.id + 1)
    return expired
  }

  #isFull(): boolean {
    const oldest = this.#first.get() as KeyPlace | undefined
    const newest = this.#newest.get() as KeyPlace | undefined
    if (oldest === undefined || newest === undefined) return false
    const { keysMax, bytesMax } = this.#limits
    return newest.id - oldest.id + 1 >= keysMax || newest.through - oldest.through >= bytesMax
  }
}
