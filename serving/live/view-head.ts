/** A view's states at a moment, as relations of the engine. */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { emptyRelation } from '#core/view-sql.ts'
import { ALL_STATES, filesWithin, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { BoundValues } from '../answers/bound-values.ts'
import { NewestPane } from '../answers/newest-pane.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { LargeTable } from './large-tables.ts'
import type { TailPlace } from './log-tail.ts'
import type { ResidentTable } from './resident-table.ts'
import type { TailRelation } from './tail-rows.ts'
import type { KeptTally } from './tally-keeper.ts'

/** A moment of the dataset. */
export interface Moment {
  /** grows with every change of what is counted */
  readonly seq: number
  /** when lake and log were looked at; monotonic, ms */
  readonly atMs: number
  /** places of another epoch say nothing about what was folded */
  readonly epoch: number
  readonly snapshot: Snapshot
  readonly places: readonly TailPlace[]
  /** until the next one */
  readonly tail: TailRelation
}

export interface PinnedDictionary {
  readonly name: string
  readonly table: ResidentTable | null
  /** relation of the pinned version */
  readonly sql: string
}

/** A file of the lake, and the panes that it can hold. */
export interface StatePath {
  readonly path: string
  readonly range: StateRange
  /** of a large file, which has the same rows */
  readonly large: LargeTable | null
}

/** Binds the number of a refresh. @returns its place in the SQL text */
export type BindSeq = (seq: number) => string

/** What a head's state rows are read from. */
export interface HeadParts {
  readonly columns: readonly SqlColumn[]
  /** SELECTs of tables of the engine */
  readonly resident: (seq: BindSeq) => readonly string[]
  /** files of the lake */
  readonly paths: readonly StatePath[]
  readonly dictionaries: readonly PinnedDictionary[]
  /** all that the relations name */
  readonly tables: readonly ResidentTable[]
  /** told of each relation that has to read files */
  readonly readsFiles: () => void
}

export class ViewHead {
  readonly moment: Moment
  readonly pinned: readonly PinnedDictionary[]
  /** dictionary → relation of its pinned version */
  readonly dictionaries: ReadonlyMap<string, string>
  readonly newestPane = new NewestPane()
  /** the same states as numbers; null: there are none, or a newer head has them */
  tally: KeptTally | null = null
  readonly #parts: HeadParts

  constructor(moment: Moment, parts: HeadParts) {
    this.moment = moment
    this.pinned = parts.dictionaries
    this.dictionaries = new Map(parts.dictionaries.map(({ name, sql }) => [name, sql]))
    this.#parts = parts
  }

  /**
   * Relation of state rows. The number of the refresh is a parameter: a statement with others that must be bound is planned before the
   * transaction that runs it, and a condition that holds for all rows there are then would be left out of the plan if it were written.
   *
   * @param panes files that cannot hold any of these are left out
   */
  sql(bound: BoundValues, panes: StateRange = ALL_STATES): string {
    const within = filesWithin(this.#parts.paths, panes)
    const large = within.flatMap((file) => file.large?.sql ?? [])
    const read = within.filter((file) => file.large === null)
    if (read.length > 0) this.#parts.readsFiles()
    return this.relationOf([...this.resident(bound), ...large, ...this.#readSql(read.map(({ path }) => path))])
  }

  /** SELECTs of the state rows that only the engine has; none: there are no such tables. */
  resident(bound: BoundValues): readonly string[] {
    return this.#parts.resident((seq) => `${bound.bind(BigInt(seq))}::BIGINT`)
  }

  /** SELECTs of the state rows in files of the lake, those that are tables as well among them, and in further files. */
  inFiles(further: readonly string[] = []): readonly string[] {
    return this.#readSql([...this.#parts.paths.map(({ path }) => path), ...further])
  }

  #readSql(paths: readonly string[]): readonly string[] {
    return paths.length === 0 ? [] : [`SELECT ${namesOf(this.#parts.columns)} FROM ${readParquetSql(paths)}`]
  }

  /** All of the rows together. */
  relationOf(selects: readonly string[]): string {
    return selects.length === 0 ? emptyRelation(this.#parts.columns) : `(${selects.join(' UNION ALL ')})`
  }

  /** Keeps the tables that the relations name until `release`. */
  retain(): void {
    for (const table of this.#parts.tables) table.retain()
  }

  release(): void {
    for (const table of this.#parts.tables) table.release()
  }
}

export function namesOf(columns: readonly SqlColumn[]): string {
  return columns.map(({ name }) => quoteName(name)).join(', ')
}
