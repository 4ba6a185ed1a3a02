/**
 * One view's states of the log's tail, by partition. Each fold adds the partials of the rows that came since; merging adds them up.
 * Where a segment closed, the states of its partition are folded anew from the rows that are left, into another table.
 */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { MERGE_ROWS_MIN } from './live-limits.ts'
import type { TailPlace } from './log-tail.ts'
import { ResidentTable, stateKeys } from './resident-table.ts'

interface Folded {
  readonly start: Offset
  readonly end: Offset
}

export class TailStates {
  readonly #view: CompiledView
  readonly #connection: EngineConnection
  #table: ResidentTable | null = null
  /** what the table holds of each partition */
  #folded = new Map<number, Folded>()
  #epoch = 0
  /** of the last fold */
  #seq = 0
  #rows = 0
  /** rows added since the table was merged */
  #added = 0

  constructor(view: CompiledView, connection: EngineConnection) {
    this.#view = view
    this.#connection = connection
  }

  /** null: nothing is open */
  get table(): ResidentTable | null {
    return this.#table
  }

  /** Records of the places that are not folded. */
  unfolded(places: readonly TailPlace[]): number {
    const folded = (place: TailPlace): Offset => {
      const own = this.#folded.get(place.partition)
      return own?.start === place.start ? own.end : place.start
    }
    return places.reduce((sum, place) => sum + place.end - folded(place), 0)
  }

  /**
   * What has to be done before the next fold and takes long, but needs no typed rows: forgets partitions whose segment closed, and
   * merges what was added when it outweighs the rest.
   */
  async prepare(places: readonly TailPlace[], epoch: number): Promise<void> {
    if (epoch !== this.#epoch) this.drop()
    this.#epoch = epoch
    const anew = places.filter(({ partition, start }) => (this.#folded.get(partition)?.start ?? start) !== start)
    if (anew.length > 0) await this.#forget(new Set(anew.map(({ partition }) => partition)))
    if (this.#added > Math.max(MERGE_ROWS_MIN, this.#rows - this.#added)) await this.#rewrite('true')
  }

  /**
   * Folds what the places hold and the table does not. Rows that it adds have `_seq` = seq: who reads those up to an earlier seq sees
   * what was there then. `prepare` was called for the same starts.
   * @param rows the tail's table of typed rows; it holds nothing before the places' starts
   */
  async fold(places: readonly TailPlace[], rows: string, seq: number): Promise<void> {
    const over = places.find(({ partition, end }) => (this.#folded.get(partition)?.end ?? end) > end)
    if (over !== undefined)
      throw new Error(`view '${this.#view.name}', partition ${over.partition}: more is folded than offset ${over.end}`)
    const due = places.filter(({ partition, start, end }) => end > (this.#folded.get(partition)?.end ?? start))
    if (due.length > 0) await this.#add(due, rows, seq)
    for (const { partition, start, end } of places) this.#folded.set(partition, { start, end })
    this.#seq = seq
  }

  drop(): void {
    this.#table?.retire()
    this.#table = null
    this.#folded.clear()
    this.#rows = 0
    this.#added = 0
  }

  async #forget(partitions: ReadonlySet<number>): Promise<void> {
    const kept = [...this.#folded.keys()].filter((partition) => !partitions.has(partition))
    if (this.#table !== null && kept.length > 0) await this.#rewrite(`_partition IN (${kept.join(', ')})`)
    else this.drop()
    for (const partition of partitions) this.#folded.delete(partition)
  }

  async #add(due: readonly TailPlace[], rows: string, seq: number): Promise<void> {
    this.#table ??= await ResidentTable.ofStates(this.#connection, this.#view)
    const conditions = due.map(
      ({ partition, start }) =>
        `(_partition = ${partition} AND _offset >= ${this.#folded.get(partition)?.end ?? start})`,
    )
    const states = this.#view.partialByPartitionSql(`(SELECT * FROM ${rows} WHERE ${conditions.join(' OR ')})`)
    const added = await this.#connection.run(`INSERT INTO ${this.#table.name} SELECT ${seq}, * FROM (${states})`)
    this.#rows += added
    this.#added += added
  }

  /** The states that match, merged, in a new table. */
  async #rewrite(condition: string): Promise<void> {
    const before = this.#table!
    const by = ['_partition', ...stateKeys(this.#view)].map((name) => ({ name, sql: quoteName(name) }))
    const merged = this.#view.mergeSql(`(SELECT * FROM ${before.name} WHERE ${condition})`, by)
    const table = await ResidentTable.ofStates(this.#connection, this.#view)
    this.#rows = await table.fill(`SELECT ${this.#seq}, * FROM (${merged})`)
    this.#added = 0
    this.#table = table
    before.retire()
  }
}
