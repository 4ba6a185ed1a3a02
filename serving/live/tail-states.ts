/**
 * One view's states of the log's tail, by partition. Each fold adds the partials of newly read rows; merging combines them. When a segment
 * closes, the states of its partition become obsolete and are folded anew from the remaining rows. Readers exclude obsolete rows until the
 * next merge deletes them, so a close costs only what remains of its own partition.
 */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { fromPlaces } from '#storage/engine/record-places.ts'
import type { TallyFeed } from '../tally/view-tally.ts'
import { TAIL_MERGE_ROWS_MIN } from './live-limits.ts'
import type { TailPlace } from './log-tail.ts'
import { ResidentTable, stateKeys } from './resident-table.ts'
import type { TailRelation } from './tail-rows.ts'

/** With as many, sets are computed beside the other measures as quickly as by themselves; with fewer, planning outweighs. */
const FEW_RECORDS_MAX = 2_000

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
  /** rows added or forgotten since the table was merged */
  #added = 0
  #forgotten: ReadonlyMap<number, number> = new Map()
  /** told of changes */
  feed: TallyFeed | null = null

  constructor(view: CompiledView, connection: EngineConnection) {
    this.#view = view
    this.#connection = connection
  }

  /** null: nothing is open */
  get table(): ResidentTable | null {
    return this.#table
  }

  /** partition → `_seq` of the last rows that do not count any more */
  get forgotten(): ReadonlyMap<number, number> {
    return this.#forgotten
  }

  /** Relation of the rows that count, with their partition; null: there are none. */
  get counted(): string | null {
    if (this.#table === null) return null
    const gone = [...this.#forgotten].map(([partition, seq]) => `_partition = ${partition} AND _seq <= ${seq}`)
    return gone.length === 0 ? this.#table.name : `(SELECT * FROM ${this.#table.name} WHERE NOT (${gone.join(' OR ')}))`
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
    if (anew.length > 0) this.#forget(anew.map(({ partition }) => partition))
    if (this.#added > Math.max(TAIL_MERGE_ROWS_MIN, this.#rows - this.#added)) await this.#merge()
  }

  /**
   * Folds what the places hold and the table does not. Rows that it adds have `_seq` = seq: who reads those up to an earlier seq sees
   * what was there then. `prepare` was called for the same starts.
   * @param rows the tail's typed rows
   */
  async fold(places: readonly TailPlace[], rows: TailRelation, seq: number): Promise<void> {
    const over = places.find(({ partition, end }) => (this.#folded.get(partition)?.end ?? end) > end)
    if (over !== undefined)
      throw new Error(`view '${this.#view.name}', partition ${over.partition}: more is folded than offset ${over.end}`)
    const due = places.filter(({ partition, start, end }) => end > (this.#folded.get(partition)?.end ?? start))
    if (due.length > 0) await this.#add(due, rows, seq)
    for (const { partition, start, end } of places) this.#folded.set(partition, { start, end })
    this.#seq = seq
  }

  drop(): void {
    this.feed?.dropped()
    this.#table?.retire()
    this.#table = null
    this.#folded.clear()
    this.#forgotten = new Map()
    this.#rows = 0
    this.#added = 0
  }

  #foldedTo({ partition, start }: TailPlace): Offset {
    return this.#folded.get(partition)?.end ?? start
  }

  #forget(partitions: readonly number[]): void {
    // As if each partition had as many.
    this.#added += Math.ceil((this.#rows * partitions.length) / this.#folded.size)
    this.feed?.forgotten(partitions)
    for (const partition of partitions) this.#folded.delete(partition)
    const gone = partitions.map((partition) => [partition, this.#seq] as const)
    this.#forgotten = new Map([...this.#forgotten, ...gone])
    if (this.#folded.size === 0) this.drop()
  }

  async #add(due: readonly TailPlace[], rows: TailRelation, seq: number): Promise<void> {
    this.#table ??= await ResidentTable.ofStates(this.#connection, this.#view, false)
    const from = new Map(due.map((place) => [place.partition, this.#foldedTo(place)]))
    const records = due.reduce((sum, place) => sum + place.end - this.#foldedTo(place), 0)
    const states = this.#view.partialByPartitionSql(`(SELECT * FROM ${rows(from)} WHERE ${fromPlaces(from)})`, {
      few: records <= FEW_RECORDS_MAX,
    })
    const added = await this.#table.add(`SELECT ${seq}, * FROM (${states})`, this.feed)
    this.#rows += added
    this.#added += added
  }

  /** The states that count, merged, in a new table. */
  async #merge(): Promise<void> {
    const before = this.#table
    if (before === null) return
    const by = ['_partition', ...stateKeys(this.#view)].map((name) => ({ name, sql: quoteName(name) }))
    const merged = this.#view.mergeSql(this.counted!, by)
    const table = await ResidentTable.ofStates(this.#connection, this.#view, false)
    this.#rows = await table.fill(`SELECT ${this.#seq}, * FROM (${merged})`)
    this.#added = 0
    this.#forgotten = new Map()
    this.#table = table
    before.retire()
  }
}
