/** One view's resident states, and the head: the newest moment of which all of them are at hand. */
import type { CompiledView } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { emptyRelation } from '#core/view-sql.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { closedFilesOf, generationFilesOf } from '../answers/merged-sql.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { ClosedStates } from './closed-states.ts'
import type { FileTables } from './file-tables.ts'
import type { LiveLimits } from './live-limits.ts'
import type { TailPlace } from './log-tail.ts'
import type { ResidentTable } from './resident-table.ts'
import { TailStates } from './tail-states.ts'

/** A moment of the dataset. */
export interface Moment {
  /** grows with every change of what is counted */
  readonly seq: number
  readonly snapshot: Snapshot
  readonly places: readonly TailPlace[]
  /** the tail's table of typed rows */
  readonly tail: string
}

/** A view's states at a moment, as relations of the engine. */
export class ViewHead {
  readonly moment: Moment
  /** relation of state rows */
  readonly sql: string
  /** dictionary → relation of its pinned version */
  readonly dictionaries: ReadonlyMap<string, string>
  readonly #tables: readonly ResidentTable[]

  constructor(
    moment: Moment,
    sql: string,
    dictionaries: ReadonlyMap<string, string>,
    tables: readonly ResidentTable[],
  ) {
    this.moment = moment
    this.sql = sql
    this.dictionaries = dictionaries
    this.#tables = tables
  }

  /** Keeps the tables that the relations name until `release`. */
  retain(): void {
    for (const table of this.#tables) table.retain()
  }

  release(): void {
    for (const table of this.#tables) table.release()
  }
}

export interface LiveViewParts {
  readonly view: CompiledView
  /** of all changes of the resident side */
  readonly connection: EngineConnection
  readonly lake: Lake
  readonly files: FileTables
  readonly limits: LiveLimits
}

export class LiveView {
  readonly view: CompiledView
  readonly #parts: LiveViewParts
  readonly #closed: ClosedStates
  readonly #tail: TailStates
  #head: ViewHead | null = null
  /** monotonic, ms */
  askedAtMs = Number.NEGATIVE_INFINITY
  /** when it should be brought up to date also unasked; monotonic, ms */
  dueAtMs = 0

  constructor(parts: LiveViewParts) {
    const { view, connection, lake, limits } = parts
    this.view = view
    this.#parts = parts
    this.#closed = new ClosedStates(view, connection, lake, limits.closedBytesMax)
    this.#tail = new TailStates(view, connection)
  }

  /** null before the first */
  get head(): ViewHead | null {
    return this.#head
  }

  /** Brings the states to the moment. Not while another change is under way. @throws NeedsBackfillError, PartialsCompactedError, LakeError */
  async follow(moment: Moment): Promise<ViewHead> {
    if (this.#head?.moment === moment) return this.#head
    const { view } = this
    const { snapshot, places, tail, seq } = moment
    const { tables, left } = await this.#generation(generationFilesOf(view, snapshot))
    left.push(...(await this.#closed.hold(closedFilesOf(view, snapshot), seq)))
    await this.#tail.fold(places, tail, seq)
    const dictionaries = await this.#dictionaries(snapshot)
    const columns = view.stateColumns.map(({ name }) => quoteName(name)).join(', ')
    const growing = [this.#closed.table, this.#tail.table].filter((table) => table !== null)
    const parts = [
      ...tables.map(({ name }) => `SELECT ${columns} FROM ${name}`),
      ...(left.length === 0 ? [] : [`SELECT ${columns} FROM ${readParquetSql(await this.#paths(left))}`]),
      ...growing.map(({ name }) => `SELECT ${columns} FROM ${name} WHERE _seq <= ${seq}`),
    ]
    const sql = parts.length === 0 ? emptyRelation(view.stateColumns) : `(${parts.join(' UNION ALL ')})`
    const all = [...tables, ...growing, ...dictionaries.map(({ table }) => table)].filter((table) => table !== null)
    const relations = new Map(dictionaries.map((each) => [each.name, each.sql]))
    return this.#replaceHead(new ViewHead(moment, sql, relations, all))
  }

  /** Gives up what only this view keeps. */
  drop(): void {
    this.#closed.drop()
    this.#tail.drop()
    this.#head?.release()
    this.#head = null
  }

  /** The head itself is a reader of its tables: they stay as long as somebody can still be given it. */
  #replaceHead(head: ViewHead): ViewHead {
    head.retain()
    this.#head?.release()
    this.#head = head
    return head
  }

  async #generation(files: readonly LakeFile[]): Promise<{ tables: ResidentTable[]; left: LakeFile[] }> {
    const [tables, left]: [ResidentTable[], LakeFile[]] = [[], []]
    for (const file of files) {
      const table = await this.#parts.files.table(file)
      if (table === null) left.push(file)
      else tables.push(table)
    }
    return { tables, left }
  }

  async #dictionaries({ generation }: Snapshot): Promise<{ name: string; table: ResidentTable | null; sql: string }[]> {
    const wanted = new Set(this.view.lookups.map(({ dictionary }) => dictionary))
    const pins = Object.entries(generation?.dictionaries ?? {}).filter(([name]) => wanted.has(name))
    return Promise.all(
      pins.map(async ([name, { file }]) => {
        const table = await this.#parts.files.table(file)
        return { name, table, sql: table?.name ?? readParquetSql(await this.#paths([file])) }
      }),
    )
  }

  async #paths(files: readonly LakeFile[]): Promise<string[]> {
    await this.#parts.lake.check(files)
    return files.map((file) => this.#parts.lake.resolve(file))
  }
}
