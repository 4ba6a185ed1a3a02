/** A table of the serving engine that answers read: dropped when a newer one has taken its place and nobody reads it any more. */
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { settledName } from '#storage/engine/settled-tables.ts'
import type { TallyFeed } from '../tally/view-tally.ts'

let made = 0

export class ResidentTable {
  /** name in SQL */
  readonly name: string
  readonly #connection: EngineConnection
  /** changes so rarely that it is kept compressed */
  readonly #isSettled: boolean
  #readers = 0
  #retired = false

  private constructor(connection: EngineConnection, isSettled: boolean) {
    const name = `resident_${++made}`
    this.name = isSettled ? settledName(name) : name
    this.#connection = connection
    this.#isSettled = isSettled
  }

  /**
   * For a view's state rows, each with the refresh that added it (`_seq`) and its partition (NULL: of closed segments, merged).
   * @param isSettled rows are added rarely
   */
  static async ofStates(connection: EngineConnection, view: CompiledView, isSettled: boolean): Promise<ResidentTable> {
    const numbers = [
      { name: '_seq', type: 'BIGINT' },
      { name: '_partition', type: 'INTEGER' },
    ]
    return ResidentTable.ofColumns(connection, [...numbers, ...view.stateColumns], isSettled)
  }

  /** Without rows. */
  static async ofColumns(
    connection: EngineConnection,
    columns: readonly SqlColumn[],
    isSettled: boolean,
  ): Promise<ResidentTable> {
    const table = new ResidentTable(connection, isSettled)
    const items = columns.map(({ name, type }) => `${quoteName(name)} ${type}`)
    await connection.run(`CREATE TABLE ${table.name} (${items.join(', ')})`)
    return table
  }

  /** Of rows that stay as they are. */
  static async of(connection: EngineConnection, select: string): Promise<ResidentTable> {
    const table = new ResidentTable(connection, true)
    await connection.run(`CREATE TABLE ${table.name} AS ${select}`)
    table.#changed()
    return table
  }

  /** Adds rows. @param feed is told of them @returns how many */
  async add(select: string, feed: TallyFeed | null): Promise<number> {
    const insert = `INSERT INTO ${this.name} ${select}`
    if (feed === null) return this.#connection.run(insert).finally(() => this.#changed())
    const chunks = await this.#connection.returned(`${insert} RETURNING ${feed.items.join(', ')}`)
    this.#changed()
    await feed.added(chunks)
    return chunks.reduce((sum, { rows }) => sum + rows, 0)
  }

  /** Inserts rows. @returns how many; the table is given up when that fails */
  async fill(select: string): Promise<number> {
    try {
      return await this.#connection.run(`INSERT INTO ${this.name} ${select}`).finally(() => this.#changed())
    } catch (error) {
      this.retire()
      throw error
    }
  }

  retain(): void {
    this.#readers++
  }

  release(): void {
    this.#readers--
    this.#dropIfDone()
  }

  /** No new reader comes. */
  retire(): void {
    this.#retired = true
    this.#dropIfDone()
  }

  #dropIfDone(): void {
    if (!this.#retired || this.#readers > 0) return
    // An engine that was closed meanwhile has dropped it already.
    const dropped = this.#connection.run(`DROP TABLE IF EXISTS ${this.name}`)
    dropped.then(() => this.#changed()).catch(() => {})
  }

  #changed(): void {
    if (this.#isSettled) this.#connection.compressSoon()
  }
}

/** Names of the columns that identify a state row: pane and dimensions. */
export function stateKeys(view: CompiledView): string[] {
  const keys = (view.time.kind === 'panes' ? 1 : 0) + view.dimensions.length
  return view.stateColumns.slice(0, keys).map(({ name }) => name)
}
