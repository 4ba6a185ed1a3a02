/**
 * The embedded log: one SQLite file per dataset, records in blocks. One block is one run of lines appended together, so
 * that an append of a thousand events is one row. WAL with synchronous=FULL: a commit is on disk before it is acknowledged.
 * Guarantee: an acknowledged append survives kill -9 and power loss, once; appends are all or nothing.
 */
import { randomUUID } from 'node:crypto'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { assertOffset, type Offset, type OffsetRange } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import {
  type AppendBatch,
  type ArrivalRun,
  type EventLog,
  LogRangeError,
  type ReadLimits,
  type RecordBatch,
} from './event-log.ts'
import { blocksOf, lineStart } from './log-blocks.ts'
import { LogFault } from './log-fault.ts'

export interface SqliteLogOptions {
  readonly file: string
  readonly dataset: string
  readonly partitions: number
  /** a block's size at the most; larger appends are split */
  readonly blockBytesMax?: number
  /** one record's size at the most */
  readonly recordBytesMax?: number
  /** appends that wait for the next commit; beyond it append() waits */
  readonly waitingBytesMax?: number
  readonly step?: StepHook
  readonly clock?: () => number
}

interface Waiting {
  readonly batches: readonly AppendBatch[]
  readonly bytes: number
  readonly resolve: (ranges: readonly OffsetRange[]) => void
  readonly reject: (error: Error) => void
}

interface BlockRow {
  readonly start: number
  readonly count: number
  readonly at_ms: number
  readonly bytes: Uint8Array
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS log_identity (id INTEGER PRIMARY KEY CHECK (id = 1), identity TEXT NOT NULL, dataset TEXT NOT NULL, partitions INTEGER NOT NULL, format INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_ends (partition INTEGER PRIMARY KEY, start INTEGER NOT NULL, "end" INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS log_blocks (partition INTEGER NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL, at_ms INTEGER NOT NULL, bytes BLOB NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS log_blocks_place ON log_blocks (partition, start);
`

export class SqliteLog implements EventLog {
  readonly identity: string
  readonly partitions: number
  readonly #options: Required<SqliteLogOptions>
  readonly #db: DatabaseSync
  readonly #insert: StatementSync
  readonly #moveEnd: StatementSync
  readonly #range: StatementSync
  readonly #blocks: StatementSync
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #room: (() => void)[] = []
  #committing: Promise<void> | null = null
  #closed = false

  /** Opens or creates the log. @throws LogFault when the file is no log, another dataset's, or has another number of partitions */
  static async open(options: SqliteLogOptions): Promise<SqliteLog> {
    const fault = new LogFault(options.file)
    try {
      const db = new DatabaseSync(options.file, { timeout: 10_000 })
      db.exec(
        'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -16000',
      )
      db.exec('BEGIN IMMEDIATE')
      db.exec(SCHEMA)
      db.prepare('INSERT OR IGNORE INTO log_identity VALUES (1, ?, ?, ?, 1)').run(
        randomUUID(),
        options.dataset,
        options.partitions,
      )
      for (let partition = 0; partition < options.partitions; partition++) {
        db.prepare('INSERT OR IGNORE INTO log_ends VALUES (?, 0, 0)').run(partition)
      }
      const stored = db.prepare('SELECT identity, dataset, partitions, format FROM log_identity').get() as {
        identity: string
        dataset: string
        partitions: number
        format: number
      }
      const wrong = mismatch(stored, options)
      db.exec(wrong ? 'ROLLBACK' : 'COMMIT')
      if (wrong) {
        db.close()
        throw fault.refused(wrong)
      }
      return new SqliteLog(db, stored.identity, options)
    } catch (error) {
      throw fault.of(error as Error, 'opening the log')
    }
  }

  private constructor(db: DatabaseSync, identity: string, options: SqliteLogOptions) {
    this.#db = db
    this.identity = identity
    this.partitions = options.partitions
    this.#options = {
      blockBytesMax: 1024 * 1024,
      recordBytesMax: 1024 * 1024,
      waitingBytesMax: 64 * 1024 * 1024,
      step: noSteps,
      clock: Date.now,
      ...options,
    }
    this.#insert = db.prepare('INSERT INTO log_blocks (partition, start, count, at_ms, bytes) VALUES (?, ?, ?, ?, ?)')
    this.#moveEnd = db.prepare('UPDATE log_ends SET "end" = "end" + ? WHERE partition = ? RETURNING "end"')
    this.#range = db.prepare('SELECT start, "end" FROM log_ends WHERE partition = ?')
    this.#blocks = db.prepare(
      `SELECT start, count, at_ms, bytes FROM log_blocks
       WHERE partition = ?1 AND start >= coalesce((SELECT max(start) FROM log_blocks WHERE partition = ?1 AND start <= ?2), 0) ORDER BY start`,
    )
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]> {
    this.#assertOpen()
    let bytes = 0
    for (const batch of batches) {
      this.#assertPartition(batch.partition)
      bytes += batch.lines.length
    }
    const blocks = batches.map((batch) => blocksOf(batch, this.#options))
    while (this.#waitingBytes > 0 && this.#waitingBytes + bytes > this.#options.waitingBytesMax) {
      await new Promise<void>((resolve) => this.#room.push(resolve))
      this.#assertOpen()
    }
    this.#waitingBytes += bytes
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        batches: blocks.flat(),
        bytes,
        reject,
        resolve: (ranges) =>
          resolve(
            joined(
              ranges,
              blocks.map((list) => list.length),
            ),
          ),
      })
      this.#committing ??= this.#commitAll()
    })
  }

  async range(partition: number): Promise<OffsetRange> {
    this.#assertOpen()
    this.#assertPartition(partition)
    const { start, end } = this.#range.get(partition) as { start: number; end: number }
    return { partition, start, end }
  }

  async read(partition: number, from: Offset, limits: ReadLimits): Promise<RecordBatch | null> {
    const range = await this.range(partition)
    if (assertOffset(from, 'log read') < range.start || from > range.end) throw new LogRangeError(from, range)
    if (from === range.end) return null
    const parts: Buffer[] = []
    const arrivals: ArrivalRun[] = []
    let [count, bytes] = [0, 0]
    for (const row of this.#blocks.iterate(partition, from) as Iterable<unknown>) {
      const taken = takeLines(
        row as BlockRow,
        from + count,
        limits.recordsMax - count,
        limits.bytesMax - bytes,
        count === 0,
      )
      if (taken === null) break
      parts.push(taken.lines)
      arrivals.push({ count: taken.count, atMs: (row as BlockRow).at_ms })
      count += taken.count
      bytes += taken.lines.length
      if (count >= limits.recordsMax || bytes >= limits.bytesMax) break
    }
    if (count === 0) throw new LogRangeError(from, await this.range(partition))
    const lines = parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes)
    return { partition, start: from, end: from + count, lines, count, offsets: null, arrivals }
  }

  async trim(partition: number, before: Offset, olderThanMs: number): Promise<Offset> {
    this.#assertOpen()
    const fault = new LogFault(this.#options.file)
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      // The first block that must stay bounds the range: blocks are in offset order, and so are their arrivals.
      const kept = this.#db
        .prepare(
          'SELECT start FROM log_blocks WHERE partition = ? AND (start + count > ? OR at_ms >= ?) ORDER BY start LIMIT 1',
        )
        .get(partition, before, olderThanMs) as { start: number } | undefined
      const range = this.#range.get(partition) as { start: number; end: number }
      const start = Math.max(range.start, Math.min(kept?.start ?? range.end, before))
      this.#db
        .prepare('DELETE FROM log_blocks WHERE partition = ? AND start < ? AND start + count <= ?')
        .run(partition, start, start)
      this.#db.prepare('UPDATE log_ends SET start = ? WHERE partition = ?').run(start, partition)
      this.#db.exec('COMMIT')
      return start
    } catch (error) {
      this.#rollback()
      throw fault.of(error as Error, `trimming partition ${partition}`)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    await this.#committing
    this.#closed = true
    this.#db.close()
  }

  /** Everything that waits goes into one transaction; what comes meanwhile goes into the next. */
  async #commitAll(): Promise<void> {
    await turn()
    while (this.#waiting.length > 0) {
      const group = this.#waiting
      this.#waiting = []
      try {
        const ranges = await this.#commit(group)
        for (const [index, waiting] of group.entries()) waiting.resolve(ranges[index]!)
      } catch (error) {
        for (const waiting of group) waiting.reject(error as Error)
      }
      for (const waiting of group) this.#waitingBytes -= waiting.bytes
      for (const wake of this.#room.splice(0)) wake()
      await turn()
    }
    this.#committing = null
  }

  async #commit(group: readonly Waiting[]): Promise<OffsetRange[][]> {
    const atMs = this.#options.clock()
    await this.#options.step('append:before-commit')
    try {
      this.#db.exec('BEGIN IMMEDIATE')
      const ranges = group.map(({ batches }) =>
        batches.map(({ partition, lines, count }) => {
          const { end } = this.#moveEnd.get(count, partition) as { end: number }
          this.#insert.run(partition, end - count, count, atMs, lines)
          return { partition, start: end - count, end }
        }),
      )
      this.#db.exec('COMMIT')
      await this.#options.step('append:committed')
      return ranges
    } catch (error) {
      this.#rollback()
      throw new LogFault(this.#options.file).of(error as Error, 'appending')
    }
  }

  #rollback(): void {
    try {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    } catch {
      // the fault that led here is the one to tell
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error(`log ${this.#options.file}: it is closed`)
  }

  #assertPartition(partition: number): void {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitions) {
      throw new RangeError(
        `log of '${this.#options.dataset}': partition ${partition} does not exist (0 to ${this.partitions - 1})`,
      )
    }
  }
}

function mismatch(
  stored: { dataset: string; partitions: number; format: number },
  options: SqliteLogOptions,
): string | null {
  if (stored.format !== 1) return `it has format ${stored.format}, this version reads format 1`
  if (stored.dataset !== options.dataset) return `it belongs to dataset '${stored.dataset}', not '${options.dataset}'`
  if (stored.partitions !== options.partitions)
    return `it has ${stored.partitions} partitions, but ${options.partitions} are configured; keep ${stored.partitions}`
  return null
}

/** Blocks of one append batch become one range again. */
function joined(ranges: readonly OffsetRange[], counts: readonly number[]): OffsetRange[] {
  let at = 0
  return counts.map((count) => {
    const own = ranges.slice(at, at + count)
    at += count
    return { partition: own[0]!.partition, start: own[0]!.start, end: own.at(-1)!.end }
  })
}

/** The lines of a block from offset `from` on, within the limits; null when none fits. */
function takeLines(
  row: BlockRow,
  from: Offset,
  recordsMax: number,
  bytesMax: number,
  force: boolean,
): { lines: Buffer; count: number } | null {
  const bytes = Buffer.from(row.bytes.buffer, row.bytes.byteOffset, row.bytes.byteLength)
  const skip = from - row.start
  const left = row.count - skip
  if (left <= 0 || recordsMax <= 0) return null
  const begin = lineStart(bytes, 0, skip)
  if (left <= recordsMax && bytes.length - begin <= bytesMax) return { lines: bytes.subarray(begin), count: left }
  let [count, end] = [0, begin]
  while (count < Math.min(left, recordsMax)) {
    const next = bytes.indexOf(10, end) + 1
    if (next - begin > bytesMax && !(force && count === 0)) break
    end = next
    count++
  }
  return count === 0 ? null : { lines: bytes.subarray(begin, end), count }
}
