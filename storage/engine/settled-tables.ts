/**
 * Tables that are filled once, or rarely: they are in a database of their own, in memory like all others, which keeps them compressed. A table
 * takes a block of 256 KiB for each part of each column, however few rows it has: 3,000 states with 14 columns of structs take 16 MB, and
 * compressed 0.3 MB, and are read as quickly (engine 1.5.6).
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import pLimit from 'p-limit'

const DATABASE = 'settled'

/** Must run before the engine's settings are locked. */
export const ATTACH_SETTLED = `ATTACH ':memory:' AS ${DATABASE} (COMPRESS)`

/** Changes within this time are compressed together. When a segment closes, views are filled one after the other: all of them uncompressed took 100 MB. */
const COMPRESS_AFTER_MS = 100

/**
 * ```ts
 * settledName('resident_3') // 'settled.resident_3'
 * ```
 * @returns the name of such a table in SQL
 */
export function settledName(table: string): string {
  return `${DATABASE}.${table}`
}

export class SettledTables {
  readonly #connect: () => Promise<DuckDBConnection>
  readonly #oneAtATime = pLimit(1)
  #due: NodeJS.Timeout | null = null
  #closed = false

  constructor(connect: () => Promise<DuckDBConnection>) {
    this.#connect = connect
  }

  /** One of the tables was filled, changed or dropped: it is compressed soon, beside what reads it. */
  changed(): void {
    if (this.#closed || this.#due !== null) return
    this.#due = setTimeout(() => {
      this.#due = null
      void this.now()
    }, COMPRESS_AFTER_MS)
    this.#due.unref()
  }

  /** Compresses what was changed, beside what reads it. */
  now(): Promise<void> {
    return this.#oneAtATime(() => (this.#closed ? undefined : this.#compress()))
  }

  /** Nothing is compressed from now on. @param then is called when nothing is being compressed any more, at once if nothing is */
  close(then: () => void): void {
    this.#closed = true
    if (this.#due !== null) clearTimeout(this.#due)
    const { activeCount, pendingCount } = this.#oneAtATime
    if (activeCount + pendingCount === 0) then()
    else void this.#oneAtATime(then)
  }

  async #compress(): Promise<void> {
    const connection = await this.#connect()
    try {
      await connection.run(`CHECKPOINT ${DATABASE}`)
    } catch {
      // It does not wait for a statement that writes; whatever else keeps it from being done costs memory only.
      this.changed()
    } finally {
      connection.closeSync()
    }
  }
}
