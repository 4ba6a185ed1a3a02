/**
 * The typed rows of an open segment, in temporary tables of one connection. At the end of a transaction the engine moves its rows into a table
 * that is empty, and copies them into one that is not, with statistics and all: a large batch gets a table of its own.
 */
import type { DecodedDataset } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { createRowsTable } from '#storage/engine/decode-batch.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'

export class OpenRows {
  readonly #connection: EngineConnection
  readonly #dataset: DecodedDataset
  readonly #name: string
  readonly #ownTableRecordsMin: number
  /** in the order of their rows */
  #tables: string[] = []
  /** that came into the last table */
  #records = 0

  /** @param name of what is made: a name that nothing else of the connection begins with; @param ownTableRecordsMin see StreamLimits */
  constructor(connection: EngineConnection, dataset: DecodedDataset, name: string, ownTableRecordsMin: number) {
    this.#connection = connection
    this.#dataset = dataset
    this.#name = name
    this.#ownTableRecordsMin = ownTableRecordsMin
  }

  /** What has all rows, in the order in which they came: a table, or a view of several. */
  get relation(): string {
    return this.#tables.length === 1 ? this.#tables[0]! : this.#name
  }

  /** Forgets all rows. */
  async clear(): Promise<void> {
    if (this.#tables.length > 1) await this.#connection.run(`DROP VIEW IF EXISTS ${quoteName(this.#name)}`)
    for (const table of this.#tables.splice(0)) await this.#connection.run(`DROP TABLE ${quoteName(table)}`)
    await this.#addTable()
  }

  /** The table that the next records are to be appended to. @param records how many will come */
  async tableFor(records: number): Promise<string> {
    if (records >= this.#ownTableRecordsMin && this.#records > 0) {
      await this.#addTable()
      const all = this.#tables.map((table) => `SELECT * FROM ${quoteName(table)}`).join(' UNION ALL ')
      await this.#connection.run(`CREATE OR REPLACE TEMP VIEW ${quoteName(this.#name)} AS ${all}`)
    }
    this.#records += records
    return this.#tables.at(-1)!
  }

  async #addTable(): Promise<void> {
    const table = `${this.#name}_${this.#tables.length}`
    await createRowsTable(this.#connection, this.#dataset, table)
    this.#tables.push(table)
    this.#records = 0
  }
}
