/**
 * One view's states of the closed segments behind the boundary: each file is read once, when its segment has closed, and merged with
 * the others from time to time. A generation that counts some of the segments begins another table with those that it does not.
 */
import type { CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { TallyFeed } from '../tally/view-tally.ts'
import { CLOSED_MERGE_ROWS_MIN } from './live-limits.ts'
import { ResidentTable, stateKeys } from './resident-table.ts'

/** Before files are left out, the table is merged if at least this share of its rows was added since the last merge. */
const MERGE_SHARE_MIN = 0.25

export class ClosedStates {
  readonly #view: CompiledView
  readonly #connection: EngineConnection
  readonly #lake: Lake
  readonly #bytesMax: number
  #table: ResidentTable | null = null
  /** paths of the files whose rows are in the table */
  #held = new Set<string>()
  /** estimated size of the table's rows as a Parquet file */
  #bytes = 0
  #rows = 0
  #added = 0
  /** told of changes */
  feed: TallyFeed | null = null

  constructor(view: CompiledView, connection: EngineConnection, lake: Lake, bytesMax: number) {
    this.#view = view
    this.#connection = connection
    this.#lake = lake
    this.#bytesMax = bytesMax
  }

  /** null: nothing is held */
  get table(): ResidentTable | null {
    return this.#table
  }

  /** Brings the table to these files. @returns those that it does not hold: more bytes than are kept as a table. @throws LakeError */
  async hold(files: readonly LakeFile[], seq: number): Promise<readonly LakeFile[]> {
    const wanted = new Map(files.map((file) => [file.path, file]))
    if ([...this.#held].some((path) => !wanted.has(path))) this.drop()
    const absent = [...wanted.values()].filter(({ path }) => !this.#held.has(path))
    const asked = absent.reduce((sum, file) => sum + file.bytes, this.#bytes)
    // Segments usually share keys, so a merged table is smaller.
    if (asked > this.#bytesMax && this.#added > this.#rows * MERGE_SHARE_MIN) await this.#merge(seq)
    const missing: LakeFile[] = []
    const left: LakeFile[] = []
    let bytes = this.#bytes
    for (const file of absent) {
      if (bytes + file.bytes > this.#bytesMax) left.push(file)
      else {
        missing.push(file)
        bytes += file.bytes
      }
    }
    if (missing.length > 0) await this.#add(missing, seq)
    if (this.#added > Math.max(CLOSED_MERGE_ROWS_MIN, this.#rows - this.#added)) await this.#merge(seq)
    return left
  }

  drop(): void {
    if (this.#table !== null) this.feed?.dropped()
    this.#table?.retire()
    this.#table = null
    this.#held.clear()
    this.#bytes = 0
    this.#rows = 0
    this.#added = 0
  }

  async #add(files: readonly LakeFile[], seq: number): Promise<void> {
    await this.#lake.check(files)
    this.#table ??= await ResidentTable.ofStates(this.#connection, this.#view, true)
    const columns = this.#view.stateColumns.map(({ name }) => quoteName(name)).join(', ')
    const paths = files.map((file) => this.#lake.resolve(file))
    const added = await this.#table.add(`SELECT ${seq}, NULL, ${columns} FROM ${readParquetSql(paths)}`, this.feed)
    for (const { path, bytes } of files) {
      this.#held.add(path)
      this.#bytes += bytes
    }
    this.#rows += added
    this.#added += added
  }

  /** Rows of one pane lie together afterwards, so that a range of time skips the others. */
  async #merge(seq: number): Promise<void> {
    const before = this.#table!
    const keys = stateKeys(this.#view)
    const merged = this.#view.mergeSql(before.name)
    const order = keys[0] === 'pane' ? ' ORDER BY pane' : ''
    const table = await ResidentTable.ofStates(this.#connection, this.#view, true)
    const rows = await table.fill(`SELECT ${seq}, NULL, * FROM (${merged})${order}`)
    const left = await this.#values(table)
    const share = left / Math.max(1, await this.#values(before))
    this.#bytes *= share
    this.#rows = rows
    this.#added = 0
    this.#table = table
    before.retire()
  }

  /** Number of values in the table, counting each element of a list. */
  async #values({ name }: ResidentTable): Promise<number> {
    const { stateColumns } = this.#view
    const lists = stateColumns.filter(({ type }) => type.endsWith('[]'))
    const listed = lists.map((column) => ` + coalesce(sum(len(${quoteName(column.name)})), 0)`)
    const sql = `SELECT (count(*) * ${stateColumns.length}${listed.join('')})::DOUBLE AS n FROM ${name}`
    const [{ n }] = (await this.#connection.rows<{ n: number }>(sql)) as [{ n: number }]
    return n
  }
}
