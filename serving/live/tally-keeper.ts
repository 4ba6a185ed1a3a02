/** Keeps a view's tally beside its tables: made when queries need it, from what the tables hold, and given up when it cannot be kept up. */
import type { CompiledView } from '#core/compiled.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { DictionaryTexts } from '../tally/tally-answer.ts'
import { tallyShape } from '../tally/tally-shape.ts'
import { type TallyLimits, ViewTally } from '../tally/view-tally.ts'
import type { ClosedStates } from './closed-states.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ResidentTable } from './resident-table.ts'
import type { TailStates } from './tail-states.ts'

const DICTIONARY_ENTRIES_MAX = 50_000

/** What a head has beside the tail and the closed segments: it does not change for as long as these tables are the same. */
export interface SettledTables {
  readonly tables: readonly ResidentTable[]
  /** of files that are too large to be tables */
  readonly paths: readonly unknown[]
  readonly dictionaries: readonly { readonly name: string; readonly table: ResidentTable | null }[]
}

/** A tally and the dictionaries of the same moment. */
export interface KeptTally {
  readonly tally: ViewTally
  readonly dictionaries: DictionaryTexts
}

export interface TallyKeeperParts {
  readonly view: CompiledView
  readonly connection: EngineConnection
  readonly closed: ClosedStates
  readonly tail: TailStates
  readonly limits: TallyLimits & Pick<LiveLimits, 'tallyAfterAnswers'>
}

export class TallyKeeper {
  readonly #parts: TallyKeeperParts
  #kept: KeptTally | null = null
  #of: SettledTables | null = null
  /** answers that a tally would have given, since one was made */
  #wanted = 0
  /** measures of all of them */
  readonly #measures = new Set<string>()
  /** what it could not be made of */
  #refused: SettledTables | null = null
  /** what it could not be made of with more than the measures that cost little */
  #refusedMore: SettledTables | null = null

  constructor(parts: TallyKeeperParts) {
    this.#parts = parts
  }

  /** An answer was computed that a tally of these measures would have given. */
  want(measures: readonly string[]): void {
    this.#wanted++
    for (const measure of measures) this.#measures.add(measure)
  }

  /** Whether it is to be made from the tables now: there is none, or it lacks what is asked for. */
  isDue(settled: SettledTables): boolean {
    if (this.#wanted < this.#parts.limits.tallyAfterAnswers || settled.paths.length > 0) return false
    const refused = this.#kept === null ? this.#refused : this.#refusedMore
    return refused === null || !isSame(refused, settled)
  }

  /** Makes the changes of the tables since the last head count. @returns what the next head has; null: nothing */
  commit(settled: SettledTables): KeptTally | null {
    if (this.#kept === null) return null
    if (settled.paths.length === 0 && isSame(this.#of!, settled) && this.#kept.tally.commit()) return this.#kept
    this.drop()
    return null
  }

  /** Reads the tables, which do not change meanwhile. @returns null: they are left to the engine */
  async make(settled: SettledTables): Promise<KeptTally | null> {
    this.drop()
    this.#wanted = 0
    let tally = await this.#made(settled)
    if (tally === null && this.#measures.size > 0) {
      this.#refusedMore = settled
      this.#measures.clear()
      tally = await this.#made(settled)
    }
    if (tally === null) {
      this.#refused = settled
      return null
    }
    const dictionaries = await this.#dictionaries(settled)
    this.#parts.closed.feed = tally.closed()
    this.#parts.tail.feed = tally.tail()
    this.#of = settled
    this.#kept = { tally, dictionaries }
    return this.#kept
  }

  async #made(settled: SettledTables): Promise<ViewTally | null> {
    const { view, connection, closed, tail, limits } = this.#parts
    const shape = tallyShape(view, this.#measures)
    if (shape === null) return null
    const tally = new ViewTally(shape, view.time.kind === 'panes', limits)
    const [settledItems, tailItems] = [tally.closed().items.join(', '), tally.tail().items.join(', ')]
    const selects = [...settled.tables, ...(closed.table === null ? [] : [closed.table])].map(
      ({ name }) => `SELECT ${settledItems} FROM ${name}`,
    )
    if (tail.counted !== null) selects.push(`SELECT ${tailItems} FROM ${tail.counted}`)
    for (const select of selects) {
      for await (const chunk of connection.chunks(select)) {
        tally.tail().added([chunk])
        if (!tally.commit()) return null
      }
    }
    return tally.commit() ? tally : null
  }

  drop(): void {
    this.#parts.closed.feed = null
    this.#parts.tail.feed = null
    this.#kept = null
    this.#of = null
  }

  async #dictionaries({ dictionaries }: SettledTables): Promise<DictionaryTexts> {
    const texts = new Map<string, ReadonlyMap<string, Record<string, string>> | null>()
    for (const { name, table } of dictionaries) texts.set(name, table === null ? null : await this.#texts(table))
    return texts
  }

  async #texts(table: ResidentTable): Promise<ReadonlyMap<string, Record<string, string>> | null> {
    const rows = await this.#parts.connection.columns(
      `SELECT "key", to_json(attributes)::VARCHAR FROM ${table.name} LIMIT ${DICTIONARY_ENTRIES_MAX + 1}`,
    )
    const [keys, attributes] = rows as [string[], string[]]
    if (keys.length > DICTIONARY_ENTRIES_MAX) return null
    return new Map(keys.map((key, index) => [key, JSON.parse(attributes[index]!) as Record<string, string>]))
  }
}

function isSame(one: SettledTables, other: SettledTables): boolean {
  return (
    isSameList(one.tables, other.tables) &&
    isSameList(
      one.dictionaries.map(({ table }) => table),
      other.dictionaries.map(({ table }) => table),
    )
  )
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index])
}
