/** The tables of the log's file, on one connection: blocks of lines, and the start and end of each partition. Called inside transactions. */
import type { StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { assertOffset, type Offset, type OffsetRange } from '#core/offsets.ts'
import { StorageFileError } from '../../sqlite/sqlite-fault.ts'
import type { SqliteFile } from '../../sqlite/sqlite-file.ts'
import { type AppendBatch, type ArrivalRun, LogRangeError, type ReadLimits, type RecordBatch } from '../event-log.ts'
import { assertMovable, takeLines } from '../log-blocks.ts'
import { JoinedLines, ReadMemory } from './read-memory.ts'

const EVERYTHING = { recordsMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY, atLeast: 1 }
/** maximum number of blocks deleted in one trimming step, which takes about as long as one large commit */
const TRIM_BLOCKS_MAX = 16
/** blocks that an examination reads in one transaction */
const EXAMINED_BLOCKS_MAX = 16

interface BlockRow {
  readonly start: number
  readonly count: number
  readonly at_ms: number
  readonly crc: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

export class SqliteBlocks {
  readonly #file: SqliteFile
  readonly #insert: StatementSync
  readonly #moveEnd: StatementSync
  readonly #moveStart: StatementSync
  readonly #range: StatementSync
  readonly #ends: StatementSync
  readonly #from: StatementSync
  readonly #oldest: StatementSync
  readonly #delete: StatementSync
  readonly #memory = new ReadMemory()

  constructor(file: SqliteFile) {
    this.#file = file
    this.#insert = file.prepare('INSERT INTO log_blocks VALUES (?, ?, ?, ?, ?, ?)')
    this.#moveEnd = file.prepare('UPDATE log_ends SET "end" = "end" + ? WHERE partition = ? RETURNING "end"')
    this.#moveStart = file.prepare('UPDATE log_ends SET start = ? WHERE partition = ?')
    this.#range = file.prepare('SELECT start, "end" FROM log_ends WHERE partition = ?')
    this.#ends = file.prepare('SELECT "end" FROM log_ends ORDER BY partition')
    this.#from = file.prepare(
      `SELECT start, count, at_ms, crc, bytes FROM log_blocks
       WHERE partition = ?1 AND start >= (SELECT max(start) FROM log_blocks WHERE partition = ?1 AND start <= ?2) ORDER BY start`,
    )
    this.#oldest = file.prepare(
      `SELECT start, count, at_ms FROM log_blocks WHERE partition = ? ORDER BY start LIMIT ${TRIM_BLOCKS_MAX}`,
    )
    this.#delete = file.prepare('DELETE FROM log_blocks WHERE partition = ? AND start < ?')
  }

  range(partition: number): OffsetRange {
    const found = this.#range.get(partition) as { readonly start: number; readonly end: number } | undefined
    if (found === undefined) throw this.#damaged(`partition ${partition} has no row of its own`)
    return { partition, start: found.start, end: found.end }
  }

  /** By partition. */
  ends(): Offset[] {
    return (this.#ends.all() as { readonly end: number }[]).map(({ end }) => end)
  }

  /** The blocks of one batch, with contiguous offsets. */
  append(blocks: readonly AppendBatch[], atMs: number): OffsetRange {
    const partition = blocks[0]!.partition
    const records = blocks.reduce((sum, block) => sum + block.count, 0)
    const { end } = this.#moveEnd.get(records, partition) as { readonly end: number }
    let at = assertOffset(end, `log ${this.#file.path}, partition ${partition}`) - records
    for (const { lines, count } of blocks) {
      this.#insert.run(partition, at, count, atMs, crc32(lines), lines)
      at += count
    }
    return { partition, start: end - records, end }
  }

  read(partition: number, from: Offset, limits: ReadLimits): RecordBatch | null {
    const range = this.range(partition)
    if (assertOffset(from, `reading log ${this.#file.path}`) < range.start || from > range.end)
      throw new LogRangeError(from, range)
    if (from === range.end) return null
    const joined = new JoinedLines(limits.reused === true ? this.#memory : null, limits.bytesMax)
    const arrivals: ArrivalRun[] = []
    let [count, bytes] = [0, 0]
    for (const row of this.#from.iterate(partition, from) as Iterable<unknown>) {
      const block = row as BlockRow
      this.#assertBlock(block, partition, from + count)
      const taken = takeLines(asBuffer(block.bytes), block.count, from + count - block.start, {
        recordsMax: limits.recordsMax - count,
        bytesMax: limits.bytesMax - bytes,
        atLeast: count === 0 ? 1 : 0,
      })
      if (taken === null) break
      arrivals.push({ count: taken.count, atMs: block.at_ms })
      count += taken.count
      bytes += taken.lines.length
      joined.add(taken.lines, block.bytes)
      // A partially read block is the last one: the next block would not be contiguous.
      const whole = from + count === block.start + block.count
      if (!whole || count >= limits.recordsMax || bytes >= limits.bytesMax) break
    }
    if (count === 0) throw this.#damaged(`partition ${partition} has no offset ${from}`)
    const { lines, release } = joined.whole()
    return { partition, start: from, end: from + count, lines, count, offsets: null, arrivals, bytes, release }
  }

  /**
   * Compares the blocks of a partition with their checksums and with its start and end, a bounded number from `after` on.
   * @returns where to go on; null at the end. @throws StorageFileError
   */
  examine(partition: number, after: Offset | null): Offset | null {
    const { start, end } = this.range(partition)
    let next = Math.max(start, after ?? start)
    let left = EXAMINED_BLOCKS_MAX
    if (next === end) return null
    for (const row of this.#from.iterate(partition, next) as Iterable<unknown>) {
      const block = row as BlockRow
      this.#assertBlock(block, partition, next)
      next = block.start + block.count
      if (--left === 0) break
    }
    if (next > end) throw this.#damaged(`partition ${partition} ends at offset ${end}, but has records up to ${next}`)
    if (left > 0 && next < end) throw this.#damaged(`partition ${partition} has no offset ${next}`)
    return next === end ? null : next
  }

  /** Where the log would start after one more trimming step; null if there is nothing to trim. */
  trimmable(partition: number, before: Offset, olderThanMs: number): Offset | null {
    let start: Offset | null = null
    for (const row of this.#oldest.iterate(partition) as Iterable<unknown>) {
      const block = row as Omit<BlockRow, 'bytes' | 'crc'>
      if (block.start + block.count > before || block.at_ms >= olderThanMs) break
      start = block.start + block.count
    }
    return start
  }

  trimOnce(partition: number, before: Offset, olderThanMs: number): void {
    const start = this.trimmable(partition, before, olderThanMs)
    if (start === null) return
    this.#delete.run(partition, start)
    this.#moveStart.run(start, partition)
  }

  /** See EventLog.moveRecords. */
  move(partition: number, from: Offset, to: Offset): void {
    assertMovable(this.range(partition), from, to)
    this.#cutBefore(partition, from)
    // In two steps through negative numbers: no block may get the place of one that is still to be moved.
    const by = to - from
    this.#file.prepare('UPDATE log_blocks SET start = -1 - (start + ?) WHERE partition = ?').run(by, partition)
    this.#file.prepare('UPDATE log_blocks SET start = -1 - start WHERE partition = ?').run(partition)
    this.#moveStart.run(to, partition)
    this.#moveEnd.get(by, partition)
  }

  /** Drops the records before `from`, in the middle of a block, too. */
  #cutBefore(partition: number, from: Offset): void {
    for (const row of this.#from.all(partition, from).slice(0, 1)) {
      const block = row as unknown as BlockRow
      if (block.start >= from || block.start + block.count <= from) continue
      this.#assertBlock(block, partition, from)
      const kept = takeLines(asBuffer(block.bytes), block.count, from - block.start, EVERYTHING)!
      this.#insert.run(partition, from, kept.count, block.at_ms, crc32(kept.lines), kept.lines)
    }
    this.#delete.run(partition, from)
  }

  #assertBlock(block: BlockRow, partition: number, next: Offset): void {
    if (next < block.start || next >= block.start + block.count)
      throw this.#damaged(`partition ${partition} has no offset ${next}`)
    if (crc32(block.bytes) !== block.crc)
      throw this.#damaged(
        `partition ${partition}: the records [${block.start}, ${block.start + block.count}) differ from those that were appended`,
      )
  }

  #damaged(what: string): StorageFileError {
    const { path } = this.#file
    return new StorageFileError(path, 'damaged', `log ${path}: ${what}; the file is damaged; restore it from a copy`)
  }
}

function asBuffer(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
