/**
 * The tail's typed rows, in tables of the serving process's own engine: one after the other takes what is read, and is dropped as a whole when
 * the segments of all its rows have closed. So a close costs nothing for rows that stay, and a fold reads only where its rows are.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset, Positions } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import { decodeBatches, rowsTableSql } from '#storage/engine/decode-batch.ts'
import type { EngineChunk } from '#storage/engine/engine-chunk.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { fromPlaces } from '#storage/engine/record-places.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import type { TailCounts, TailRows } from './log-tail.ts'

export interface TailTableParts {
  readonly dataset: CompiledDataset
  /** of all changes of the resident side */
  readonly connection: EngineConnection
  readonly scratchFolder: string
  /** From so many rows on, what is read goes into another table. Default 50,000 */
  readonly tableRowsMax?: number
  /** Tables are written anew without rows that do not count any more from so many of them on, when they are more than twice those that do. Default 100,000 */
  readonly goneRowsMin?: number
}

/** A relation of the tail's typed rows in which those from these offsets on are, and possibly others. */
export type TailRelation = (from: Positions) => string

const TABLE_ROWS_MAX = 50_000
const GONE_ROWS_MIN = 100_000

/** tables made by this process */
let made = 0

const NOTHING_HELD = { rows: 0, lateRows: 0, dead: [] }

interface Counts {
  rows: number
  lateRows: number
}

/** of a partition: its rows from `start` on count, and none at `end` or behind was read */
interface Held extends Counts {
  start: Offset
  end: Offset
  /** offsets, ascending */
  dead: Offset[]
}

/** What a table holds of a partition: nothing at `end` or behind. */
interface Part {
  rows: number
  end: Offset
}

/** Some of the rows, in the order in which they were read. */
interface Piece {
  readonly name: string
  /** partitions of which some rows may count */
  readonly parts: Map<number, Part>
  /** partitions of which no row counts, wherever it is */
  readonly forgotten: Set<number>
  rows: number
}

export class TailTable implements TailRows {
  readonly #parts: TailTableParts
  readonly #held = new Map<number, Held>()
  #pieces: Piece[] = []

  constructor(parts: TailTableParts) {
    this.#parts = parts
  }

  counts(partition: number): TailCounts {
    const { rows, lateRows, dead } = this.#held.get(partition) ?? NOTHING_HELD
    return { rows, lateRows, deadLetters: dead.length }
  }

  /**
   * A relation of the typed rows, as they are until the next change. It can have others besides: earlier ones of these partitions, and any of others.
   * @param from partition → offset: rows from there on are in it
   */
  rowsFrom(from: Positions): string {
    const within = ({ parts }: Piece): boolean => [...from].some(([p, offset]) => (parts.get(p)?.end ?? 0) > offset)
    const found = this.#pieces.filter(within).map(relationOf)
    if (found.length === 0) throw new Error(`nothing of dataset '${this.#parts.dataset.name}' was read from there on`)
    return found.length === 1
      ? found[0]!
      : `(${found.map((relation) => `SELECT * FROM ${relation}`).join(' UNION ALL ')})`
  }

  async append(batches: readonly RecordBatch[]): Promise<void> {
    const { dataset, connection, scratchFolder } = this.#parts
    const piece = await this.#pieceFor(batches)
    const target = { table: piece.name, scratchFolder, failures: 'reject', returning: this.#isLate } as const
    const { dead, returned } = await decodeBatches(connection, dataset, batches, target)
    for (const { release } of batches) release?.()
    for (const { partition, start, end } of batches) {
      this.#of(partition, start).end = end
      piece.parts.set(partition, { rows: piece.parts.get(partition)?.rows ?? 0, end })
    }
    for (const { partition, offset } of dead) this.#held.get(partition)!.dead.push(offset)
    const unusable = new Set(dead.map(({ partition, offset }) => `${partition}:${offset}`))
    for (const chunk of returned) this.#count(piece, chunk, unusable)
  }

  /** @param unusable `partition:offset` of rows that are not kept */
  #count(piece: Piece, chunk: EngineChunk, unusable: ReadonlySet<string>): void {
    const [partitions, offsets, late] = [chunk.values(0), chunk.values(1), chunk.values(2)]
    for (const [row, value] of partitions.entries()) {
      if (unusable.size > 0 && unusable.has(`${value}:${offsets[row]}`)) continue
      const held = this.#held.get(value as number)!
      held.rows++
      if (late[row] === true) held.lateRows++
      piece.parts.get(value as number)!.rows++
      piece.rows++
    }
  }

  /** Segments often close together: what is left is counted once for all of them. */
  async drop(before: Positions): Promise<void> {
    const known = [...before].filter(([partition]) => this.#held.has(partition))
    const left = await this.#countsFrom(new Map(known.filter(([p, from]) => from < this.#held.get(p)!.end)))
    for (const [partition, from] of known) {
      const { dead, end } = this.#held.get(partition)!
      this.#held.delete(partition)
      const counts = left.get(partition)
      if (counts !== undefined)
        this.#held.set(partition, { ...counts, start: from, end, dead: dead.filter((offset) => offset >= from) })
    }
    for (const piece of this.#pieces) for (const [partition, from] of before) forget(piece, partition, from)
    const over = this.#pieces.filter(({ parts }) => parts.size === 0)
    this.#pieces = this.#pieces.filter(({ parts }) => parts.size > 0)
    for (const piece of over) await this.#parts.connection.run(`DROP TABLE ${tableOf(piece)}`)
    await this.#rewrite()
  }

  /** Gives the tables up. */
  async remove(): Promise<void> {
    for (const piece of this.#pieces.splice(0))
      await this.#parts.connection.run(`DROP TABLE IF EXISTS ${tableOf(piece)}`)
  }

  /** Condition in SQL. */
  get #isLate(): string {
    return `_arrival - _time > ${this.#parts.dataset.lateAfterMs}`
  }

  async #pieceFor(batches: readonly RecordBatch[]): Promise<Piece> {
    const last = this.#pieces.at(-1)
    const isFull = last === undefined || last.rows >= (this.#parts.tableRowsMax ?? TABLE_ROWS_MAX)
    if (!isFull && !batches.some(({ partition }) => last.forgotten.has(partition))) return last
    const piece = this.#newPiece()
    await this.#parts.connection.run(rowsTableSql(this.#parts.dataset, tableOf(piece)))
    this.#pieces.push(piece)
    return piece
  }

  #newPiece(): Piece {
    const name = `tail_${this.#parts.dataset.name}_${++made}`
    return { name, parts: new Map(), forgotten: new Set(), rows: 0 }
  }

  /** Counts what is held of these partitions from the offsets on. */
  async #countsFrom(starts: Positions): Promise<ReadonlyMap<number, Counts>> {
    const counts = new Map([...starts.keys()].map((partition) => [partition, { rows: 0, lateRows: 0 }]))
    if (starts.size === 0) return counts
    const found = await this.#parts.connection.rows<{ p: number; n: number; l: number }>(
      `SELECT _partition AS p, count(*) AS n, count(*) FILTER (${this.#isLate}) AS l FROM ${this.rowsFrom(starts)} WHERE ${fromPlaces(starts)} GROUP BY p`,
    )
    for (const { p, n, l } of found) counts.set(p, { rows: n, lateRows: l })
    return counts
  }

  /** What a partition whose segments close rarely has left in many tables goes into one. Fewer rows are copied than are removed. */
  async #rewrite(): Promise<void> {
    const counted = this.#pieces.map((piece) => countedRows(piece)).reduce((sum, rows) => sum + rows, 0)
    const gone = this.#pieces.reduce((sum, { rows }) => sum + rows, 0) - counted
    if (gone < Math.max(this.#parts.goneRowsMin ?? GONE_ROWS_MIN, 2 * counted)) return
    const { connection } = this.#parts
    const mostlyGone = this.#pieces.filter((piece) => piece.rows > 2 * countedRows(piece))
    const into = this.#newPiece()
    const left = mostlyGone.map((piece) => `SELECT * FROM ${tableOf(piece)} WHERE ${this.#counting(piece)}`)
    await connection.run(`CREATE TABLE ${tableOf(into)} AS ${left.join(' UNION ALL ')}`)
    const rows = await connection.rows<{ p: number; n: number }>(
      `SELECT _partition AS p, count(*) AS n FROM ${tableOf(into)} GROUP BY p`,
    )
    const found = new Map(rows.map(({ p, n }) => [p, n]))
    for (const piece of mostlyGone) {
      for (const [partition, { end }] of piece.parts)
        into.parts.set(partition, { rows: found.get(partition) ?? 0, end })
      await connection.run(`DROP TABLE ${tableOf(piece)}`)
    }
    into.rows = countedRows(into)
    this.#pieces = [into, ...this.#pieces.filter((piece) => !mostlyGone.includes(piece))]
  }

  /** Condition of the rows of a table that count. */
  #counting({ parts }: Piece): string {
    return fromPlaces(new Map([...parts.keys()].map((partition) => [partition, this.#held.get(partition)!.start])))
  }

  #of(partition: number, start: Offset): Held {
    const held = this.#held.get(partition) ?? { rows: 0, lateRows: 0, start, end: start, dead: [] }
    this.#held.set(partition, held)
    return held
  }
}

const countedRows = ({ parts }: Piece): number => [...parts.values()].reduce((sum, { rows }) => sum + rows, 0)

const tableOf = ({ name }: Piece): string => quoteName(name)

function relationOf(piece: Piece): string {
  const [table, { forgotten }] = [tableOf(piece), piece]
  return forgotten.size === 0 ? table : `(SELECT * FROM ${table} WHERE _partition NOT IN (${[...forgotten]}))`
}

function forget({ parts, forgotten }: Piece, partition: number, before: Offset): void {
  if ((parts.get(partition)?.end ?? 0) <= before) parts.delete(partition)
  // It is read again from an offset on of which there may be rows already, also of segments that had closed.
  if (!Number.isFinite(before)) forgotten.add(partition)
}
