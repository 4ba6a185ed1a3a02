/**
 * The tail's typed rows, in tables of the serving process's own engine: one after the other takes what is read, and is dropped as a whole when
 * the segments of all its rows have closed. So a close costs nothing for rows that stay, and a fold reads only where its rows are.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset, Positions } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import { createRowsTable, decodeBatches, rowsTableSql } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
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

const ARRIVED = 'arrived'
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
  readonly table: string
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
    // Decoded in a table of their own: what is looked for in new rows is not looked for in all that is open.
    await createRowsTable(connection, dataset, ARRIVED)
    const target = { table: ARRIVED, scratchFolder, failures: 'reject' } as const
    const { dead } = await decodeBatches(connection, dataset, batches, target)
    for (const { release } of batches) release?.()
    const added = await connection.returned(
      `INSERT INTO ${piece.table} SELECT * FROM ${ARRIVED} RETURNING _partition, ${this.#isLate}`,
    )
    for (const { partition, start, end } of batches) {
      this.#of(partition, start).end = end
      piece.parts.set(partition, { rows: piece.parts.get(partition)?.rows ?? 0, end })
    }
    for (const { partition, offset } of dead) this.#held.get(partition)!.dead.push(offset)
    for (const chunk of added) {
      const late = chunk.values(1)
      for (const [row, partition] of (chunk.values(0) as number[]).entries()) {
        const held = this.#held.get(partition)!
        held.rows++
        if (late[row] === true) held.lateRows++
        piece.parts.get(partition)!.rows++
      }
      piece.rows += chunk.rows
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
      for (const piece of this.#pieces) forget(piece, partition, from)
    }
    const over = this.#pieces.filter(({ parts }) => parts.size === 0)
    this.#pieces = this.#pieces.filter(({ parts }) => parts.size > 0)
    for (const { table } of over) await this.#parts.connection.run(`DROP TABLE ${table}`)
    await this.#rewrite()
  }

  /** Gives the tables up. */
  async remove(): Promise<void> {
    for (const { table } of this.#pieces.splice(0)) await this.#parts.connection.run(`DROP TABLE IF EXISTS ${table}`)
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
    await this.#parts.connection.run(rowsTableSql(this.#parts.dataset, piece.table))
    this.#pieces.push(piece)
    return piece
  }

  #newPiece(): Piece {
    const table = quoteName(`tail_${this.#parts.dataset.name}_${++made}`)
    return { table, parts: new Map(), forgotten: new Set(), rows: 0 }
  }

  /** Counts what is held of these partitions from the offsets on. */
  async #countsFrom(starts: Positions): Promise<ReadonlyMap<number, Counts>> {
    const counts = new Map([...starts.keys()].map((partition) => [partition, { rows: 0, lateRows: 0 }]))
    if (starts.size === 0) return counts
    const found = await this.#parts.connection.rows<{ p: number; n: number; l: number }>(
      `SELECT _partition AS p, count(*) AS n, count(*) FILTER (${this.#isLate}) AS l FROM ${this.rowsFrom(starts)} WHERE ${rowsOf(starts)} GROUP BY p`,
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
    const left = mostlyGone.map((piece) => `SELECT * FROM ${piece.table} WHERE ${this.#counting(piece)}`)
    await connection.run(`CREATE TABLE ${into.table} AS ${left.join(' UNION ALL ')}`)
    const rows = await connection.rows<{ p: number; n: number }>(
      `SELECT _partition AS p, count(*) AS n FROM ${into.table} GROUP BY p`,
    )
    const found = new Map(rows.map(({ p, n }) => [p, n]))
    for (const { table, parts } of mostlyGone) {
      for (const [partition, { end }] of parts) into.parts.set(partition, { rows: found.get(partition) ?? 0, end })
      await connection.run(`DROP TABLE ${table}`)
    }
    into.rows = countedRows(into)
    this.#pieces = [into, ...this.#pieces.filter((piece) => !mostlyGone.includes(piece))]
  }

  /** Condition of the rows of a table that count. */
  #counting({ parts }: Piece): string {
    return rowsOf(new Map([...parts.keys()].map((partition) => [partition, this.#held.get(partition)!.start])))
  }

  #of(partition: number, start: Offset): Held {
    const held = this.#held.get(partition) ?? { rows: 0, lateRows: 0, start, end: start, dead: [] }
    this.#held.set(partition, held)
    return held
  }
}

/** Condition of rows from these offsets on. */
export function rowsOf(from: Positions): string {
  return [...from].map(([partition, offset]) => `(_partition = ${partition} AND _offset >= ${offset})`).join(' OR ')
}

const countedRows = ({ parts }: Piece): number => [...parts.values()].reduce((sum, { rows }) => sum + rows, 0)

function relationOf({ table, forgotten }: Piece): string {
  return forgotten.size === 0 ? table : `(SELECT * FROM ${table} WHERE _partition NOT IN (${[...forgotten]}))`
}

function forget({ parts, forgotten }: Piece, partition: number, before: Offset): void {
  const part = parts.get(partition)
  if (part === undefined || part.end > before) return
  parts.delete(partition)
  // Those that are read again can be from an earlier offset on.
  if (!Number.isFinite(before)) forgotten.add(partition)
}
