/** The tail's typed rows, in a table of the serving process's own engine. */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import { createRowsTable, decodeBatches, rowsTableSql } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
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

interface Held {
  rows: number
  lateRows: number
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

  async drop(partition: number, from: Offset): Promise<void> {
    const held = this.#held.get(partition)
    this.#held.delete(partition)
    if (held === undefined) return
    const before = Number.isFinite(from) ? ` AND _offset < ${from}` : ''
    this.#removed += await this.#parts.connection.run(
      `DELETE FROM ${this.table} WHERE _partition = ${partition}${before}`,
    )
    if (Number.isFinite(from)) {
      this.#of(partition).dead = held.dead.filter((offset) => offset >= from)
      await this.#count(partition)
    }
    await this.#compactIfDue()
  }

  /** Gives the table up. */
  async remove(): Promise<void> {
    await this.#parts.connection.run(`DROP TABLE IF EXISTS ${this.table}`)
  }

  /** Condition in SQL. */
  get #isLate(): string {
    return `_arrival - _time > ${this.#parts.dataset.lateAfterMs}`
  }

  /** Counts what the table holds of the partition. */
  async #count(partition: number): Promise<void> {
    const [counts] = await this.#parts.connection.rows<{ n: number; l: number }>(
      `SELECT count(*) AS n, count(*) FILTER (${this.#isLate}) AS l FROM ${this.table} WHERE _partition = ${partition}`,
    )
    const held = this.#of(partition)
    held.rows = counts!.n
    held.lateRows = counts!.l
  }

  /** The engine keeps removed rows until a table is written anew. */
  async #compactIfDue(): Promise<void> {
    const left = [...this.#held.values()].reduce((sum, { rows }) => sum + rows, 0)
    if (this.#removed < Math.max(REMOVED_ROWS_MIN, left)) return
    const before = this.table
    this.#version = ++made
    const { connection } = this.#parts
    await connection.run(`CREATE TABLE ${this.table} AS SELECT * FROM ${before}`)
    await connection.run(`DROP TABLE ${before}`)
    this.#removed = 0
  }

  #of(partition: number): Held {
    const held = this.#held.get(partition) ?? { rows: 0, lateRows: 0, dead: [] }
    this.#held.set(partition, held)
    return held
  }
}
