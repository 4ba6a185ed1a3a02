/** The tail's typed rows, in a table of the serving process's own engine. */
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
}

/** The table is written anew without its removed rows from so many on, when they are more than those that are left. */
const REMOVED_ROWS_MIN = 5_000

/** tables made by this process */
let made = 0

const ARRIVED = 'arrived'

interface Counts {
  rows: number
  lateRows: number
}

interface Held extends Counts {
  /** offsets, ascending */
  dead: Offset[]
}

export class TailTable implements TailRows {
  readonly #parts: TailTableParts
  readonly #held = new Map<number, Held>()
  #version = ++made
  #removed = 0
  #made = false

  constructor(parts: TailTableParts) {
    this.#parts = parts
  }

  /** name in SQL */
  get table(): string {
    return quoteName(`tail_${this.#parts.dataset.name}_${this.#version}`)
  }

  counts(partition: number): TailCounts {
    const { rows, lateRows, dead } = this.#held.get(partition) ?? { rows: 0, lateRows: 0, dead: [] }
    return { rows, lateRows, deadLetters: dead.length }
  }

  async append(batches: readonly RecordBatch[]): Promise<void> {
    const { dataset, connection, scratchFolder } = this.#parts
    if (!this.#made) await connection.run(rowsTableSql(dataset, this.table))
    this.#made = true
    // Decoded in a table of their own: what is looked for in new rows is not looked for in all that is open.
    await createRowsTable(connection, dataset, ARRIVED)
    const target = { table: ARRIVED, scratchFolder, failures: 'reject' } as const
    const { dead } = await decodeBatches(connection, dataset, batches, target)
    for (const { release } of batches) release?.()
    const added = await connection.returned(
      `INSERT INTO ${this.table} SELECT * FROM ${ARRIVED} RETURNING _partition, ${this.#isLate}`,
    )
    for (const { partition, offset } of dead) this.#of(partition).dead.push(offset)
    for (const chunk of added) {
      const late = chunk.values(1)
      for (const [row, partition] of (chunk.values(0) as number[]).entries()) {
        const held = this.#of(partition)
        held.rows++
        if (late[row] === true) held.lateRows++
      }
    }
  }

  /** Segments often close together: the table is counted, and written anew, once for all of them. */
  async drop(before: Positions): Promise<void> {
    const held = [...before].filter(([partition]) => this.#held.has(partition))
    if (held.length === 0) return
    const rows = this.#rows
    const left = await this.#countsFrom(held.filter(([, from]) => Number.isFinite(from)))
    for (const [partition, from] of held) {
      const { dead } = this.#of(partition)
      this.#held.delete(partition)
      const counts = left.get(partition)
      if (counts !== undefined) this.#held.set(partition, { ...counts, dead: dead.filter((offset) => offset >= from) })
    }
    this.#removed += rows - this.#rows
    const gone = held.map(
      ([partition, from]) => `(_partition = ${partition}${Number.isFinite(from) ? ` AND _offset < ${from}` : ''})`,
    )
    await this.#remove(gone.join(' OR '))
  }

  /** Gives the table up. */
  async remove(): Promise<void> {
    await this.#parts.connection.run(`DROP TABLE IF EXISTS ${this.table}`)
  }

  /** Condition in SQL. */
  get #isLate(): string {
    return `_arrival - _time > ${this.#parts.dataset.lateAfterMs}`
  }

  get #rows(): number {
    return [...this.#held.values()].reduce((sum, { rows }) => sum + rows, 0)
  }

  /** Counts what the table holds of these partitions from the offsets on. */
  async #countsFrom(
    starts: readonly (readonly [partition: number, from: Offset])[],
  ): Promise<ReadonlyMap<number, Counts>> {
    const counts = new Map(starts.map(([partition]) => [partition, { rows: 0, lateRows: 0 }]))
    if (starts.length === 0) return counts
    const conditions = starts.map(([partition, from]) => `(_partition = ${partition} AND _offset >= ${from})`)
    const found = await this.#parts.connection.rows<{ p: number; n: number; l: number }>(
      `SELECT _partition AS p, count(*) AS n, count(*) FILTER (${this.#isLate}) AS l FROM ${this.table} WHERE ${conditions.join(' OR ')} GROUP BY p`,
    )
    for (const { p, n, l } of found) counts.set(p, { rows: n, lateRows: l })
    return counts
  }

  /** The engine keeps removed rows until a table is written anew. */
  async #remove(gone: string): Promise<void> {
    const { connection } = this.#parts
    if (this.#removed < Math.max(REMOVED_ROWS_MIN, this.#rows)) {
      await connection.run(`DELETE FROM ${this.table} WHERE ${gone}`)
      return
    }
    const before = this.table
    this.#version = ++made
    await connection.run(`CREATE TABLE ${this.table} AS SELECT * FROM ${before} WHERE NOT (${gone})`)
    await connection.run(`DROP TABLE ${before}`)
    this.#removed = 0
  }

  #of(partition: number): Held {
    const held = this.#held.get(partition) ?? { rows: 0, lateRows: 0, dead: [] }
    this.#held.set(partition, held)
    return held
  }
}
