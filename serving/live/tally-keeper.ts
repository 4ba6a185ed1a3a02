/**
 * Keeps a view's tally beside its tables: made when queries need it, from what tables and files hold, and given up when it cannot be kept up.
 * Where a view has more rows than a tally may have, it is of the newest panes, as far back as they are asked for.
 */
import type { CompiledView } from '#core/compiled.ts'
import { TIME_MS_MIN } from '#core/stored-value.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { filesWithin, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { DictionaryTexts } from '../tally/tally-answer.ts'
import { tallyShape } from '../tally/tally-shape.ts'
import { type TallyLimits, ViewTally } from '../tally/view-tally.ts'
import type { ClosedStates } from './closed-states.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ResidentTable } from './resident-table.ts'
import type { TailStates } from './tail-states.ts'
import { WorkShare } from './work-share.ts'

const DICTIONARY_ENTRIES_MAX = 50_000
/** State rows that are read to make a tally of all panes, as a multiple of those that it may have once those of one key are put together. */
const READ_PER_HELD = 4
/** ranges of questions that a tally is made for */
const RANGES_MAX = 32
/** How far back a tally of the newest panes is made, as a multiple of how far back questions are: it grows by what arrives. */
const BACK_PER_ASKED = 2
/** Share of a processor for making a view's tally again. */
const MAKING_SHARE = 0.1
/** Longest pause before a tally is made again, however long the last one took. */
const MAKING_PAUSE_MS_MAX = 60_000
/** How far back the newest panes are counted at first, in panes, and by how much farther each next time. */
const COUNTED_PANES = 64
const COUNTED_GROWTH = 8

/** What a head has beside the tail and the closed segments: it does not change for as long as these tables are the same. */
export interface SettledTables {
  readonly tables: readonly ResidentTable[]
  /** of files that are too large to be tables */
  readonly paths: readonly { readonly path: string; readonly range: StateRange }[]
  readonly dictionaries: readonly { readonly name: string; readonly table: ResidentTable | null }[]
  /** the paths change with each segment that closes: a tally would have to be made anew as often */
  readonly hasClosedPaths: boolean
}

/** A tally and the dictionaries of the same moment. */
export interface KeptTally {
  readonly tally: ViewTally
  readonly dictionaries: DictionaryTexts
}

/** The panes that a tally may have. */
interface Fitting {
  /** start of the first one, epoch ms; -Infinity: all */
  readonly sinceMs: number
  /** start of the newest one that has begun, epoch ms */
  readonly newestMs: number
}

/** What a tally could not be made of, for questions that begin no later. */
interface Refused {
  readonly settled: SettledTables
  readonly fromMs: number
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
  /** measures that the last tally was made for */
  #madeFor: ReadonlySet<string> = new Set()
  /** questions since one was made */
  #asked = 0
  readonly #making = new WorkShare(() => MAKING_SHARE, MAKING_PAUSE_MS_MAX)
  /** measures of all answers that a tally would have given */
  readonly #measures = new Set<string>()
  /** where the ranges of the last questions begin, epoch ms; Infinity: that of the newest window */
  readonly #ranges: number[] = []
  #refused: Refused | null = null
  /** with more than the measures that cost little */
  #refusedMore: Refused | null = null

  constructor(parts: TallyKeeperParts) {
    this.#parts = parts
  }

  /** Answers were computed that a tally of these measures would have given. */
  want(measures: readonly string[], answers: number): void {
    this.#wanted += answers
    for (const measure of measures) this.#measures.add(measure)
  }

  /** A tally of panes from `fromMs` on was asked for, or would give the answer; Infinity: of the newest window. */
  wantRange(fromMs: number): void {
    this.#asked++
    this.#ranges.push(fromMs)
    if (this.#ranges.length > RANGES_MAX) this.#ranges.shift()
  }

  /** Whether it is to be made from the tables now: there is none, or it lacks what is asked for. */
  isDue(settled: SettledTables): boolean {
    if (this.#wanted < this.#parts.limits.tallyAfterAnswers || settled.hasClosedPaths) return false
    const needsMore = [...this.#measures].some((measure) => !this.#madeFor.has(measure))
    if (!needsMore && this.#making.isUsedUp(performance.now())) return false
    const refused = this.#kept === null ? this.#refused : this.#refusedMore
    return refused === null || !isSame(refused.settled, settled) || Math.max(...this.#ranges) > refused.fromMs
  }

  /** Housekeeping of the tally, before the tables change. @see ViewTally.tidy */
  async tidy(): Promise<void> {
    if (this.#kept !== null) await this.#tidyOne(this.#kept.tally)
  }

  async #tidyOne(tally: ViewTally): Promise<void> {
    await tally.tidy(this.#queriedFrom(tally.sinceMs, tally.newestMs(Date.now())))
  }

  /** Makes the changes of the tables since the last head count. @returns what the next head has; null: nothing */
  commit(settled: SettledTables): KeptTally | null {
    if (this.#kept === null) return null
    if (isSame(this.#of!, settled) && this.#kept.tally.commit()) return this.#kept
    this.drop()
    return null
  }

  /**
   * Makes a new tally if the next head has other tables. It is called before that head replaces the current one, which answers queries until
   * then, and before new rows of the tail are folded. Never throws: without a tally, the engine answers.
   */
  async renew(settled: SettledTables): Promise<void> {
    if (this.#kept === null || settled.hasClosedPaths || this.#making.isUsedUp(performance.now())) return
    const isOld = this.#kept.tally.endsWithCommit || !isSame(this.#of!, settled)
    if (isOld && this.#asked > 0) await this.make(settled).catch(() => this.drop())
  }

  /** Reads the tables, which do not change meanwhile. @returns null: they are left to the engine */
  async make(settled: SettledTables): Promise<KeptTally | null> {
    const beganMs = performance.now()
    try {
      return await this.#make(settled)
    } finally {
      const endedMs = performance.now()
      this.#making.use(endedMs - beganMs, endedMs)
      this.#wanted = this.#asked = 0
    }
  }

  async #make(settled: SettledTables): Promise<KeptTally | null> {
    this.drop()
    this.#madeFor = new Set(this.#measures)
    const fromMs = Math.max(...this.#ranges)
    const fits = await this.#fits(settled)
    if (fits === null || fits.sinceMs > fromMs) {
      this.#refused = { settled, fromMs: fits === null ? Number.POSITIVE_INFINITY : fromMs }
      return null
    }
    const sinceMs = this.#since(fits)
    let tally = await this.#made(settled, sinceMs)
    if (tally === null && this.#measures.size > 0) {
      this.#refusedMore = { settled, fromMs: Number.POSITIVE_INFINITY }
      this.#measures.clear()
      tally = await this.#made(settled, sinceMs)
    }
    if (tally === null || tally.sinceMs > fromMs) {
      this.#refused = { settled, fromMs: tally === null ? Number.POSITIVE_INFINITY : fromMs }
      return null
    }
    const dictionaries = await this.#dictionaries(settled)
    this.#parts.closed.feed = tally.closed()
    this.#parts.tail.feed = tally.tail()
    this.#of = settled
    this.#kept = { tally, dictionaries }
    return this.#kept
  }

  async #made(settled: SettledTables, sinceMs: number): Promise<ViewTally | null> {
    const { view, connection, tail, limits } = this.#parts
    const shape = tallyShape(view, this.#measures)
    if (shape === null) return null
    const tally = new ViewTally(shape, view.time.kind === 'panes', limits, sinceMs)
    const [settledItems, tailItems] = [tally.closed().items.join(', '), tally.tail().items.join(', ')]
    const selects = [...this.#settledRows(settled), ...filesSince(settled, sinceMs)].map((rows) => [settledItems, rows])
    if (tail.counted !== null) selects.push([tailItems, tail.counted])
    for (const [items, rows] of selects) {
      for await (const chunk of connection.chunks(`SELECT ${items} FROM ${rows}${sinceSql(sinceMs)}`)) {
        await tally.tail().added([chunk])
        if (!tally.commit()) return null
        await this.#tidyOne(tally)
      }
    }
    return tally.commit() ? tally : null
  }

  /** Twice as far back as the earliest range of those that fit begins. */
  #since({ sinceMs, newestMs }: Fitting): number {
    if (!Number.isFinite(sinceMs)) return sinceMs
    const first = Math.min(...this.#queriedFrom(sinceMs, newestMs))
    return Math.max(sinceMs, newestMs - BACK_PER_ASKED * (newestMs - first))
  }

  /** Where the ranges of recent queries begin, epoch ms, but for those that begin before `sinceMs`. */
  #queriedFrom(sinceMs: number, newestMs: number): readonly number[] {
    const { time } = this.#parts.view
    const windowMs = time.kind === 'panes' ? (time.window?.sizeMs ?? 0) : 0
    return this.#ranges.filter((fromMs) => fromMs >= sinceMs).map((fromMs) => Math.min(fromMs, newestMs - windowMs))
  }

  /** As many of the newest panes as a tally may have rows of; null: there are too many in the newest one. */
  async #fits(settled: SettledTables): Promise<Fitting | null> {
    const { view, limits } = this.#parts
    const all = Number.NEGATIVE_INFINITY
    const everything = { sinceMs: all, newestMs: all }
    if (view.time.kind !== 'panes') return settled.paths.length === 0 ? everything : null
    const counted = async (fromMs: number): Promise<number> => {
      const [found] = await this.#rows<{ n: number }>(
        `SELECT count(*)::DOUBLE AS n FROM ${this.#panes(settled, fromMs)}`,
      )
      return found!.n
    }
    if (settled.paths.length === 0 && (await counted(all)) <= READ_PER_HELD * limits.tallyRowsMax) return everything
    // Of what is in tables: the newest panes are.
    const [newest] = await this.#rows<{ pane: number | null }>(
      `SELECT max(pane) FILTER (WHERE pane <= ${Date.now()}::BIGINT)::DOUBLE AS pane FROM ${this.#panes({ ...settled, paths: [] }, all)}`,
    )
    const newestMs = newest!.pane
    if (newestMs === null) return null
    for (let panes = COUNTED_PANES; ; panes *= COUNTED_GROWTH) {
      const fromMs = newestMs - panes * view.time.paneMs
      if (fromMs < TIME_MS_MIN) return (await counted(all)) <= limits.tallyRowsMax ? everything : null
      if ((await counted(fromMs)) <= limits.tallyRowsMax) continue
      const [first] = await this.#rows<{ pane: number | null }>(
        `SELECT min(pane)::DOUBLE AS pane FROM (SELECT pane, sum(count(*)) OVER (ORDER BY pane DESC) AS up FROM ${this.#panes(settled, fromMs)} GROUP BY pane) WHERE up <= ${limits.tallyRowsMax}`,
      )
      return first!.pane === null ? null : { sinceMs: first!.pane, newestMs }
    }
  }

  /** Relation of the panes of all rows, from `sinceMs` on. */
  #panes(settled: SettledTables, sinceMs: number): string {
    const { counted } = this.#parts.tail
    const rows = [
      ...this.#settledRows(settled),
      ...filesSince(settled, sinceMs),
      ...(counted === null ? [] : [counted]),
    ]
    const selects = rows.map((each) => `SELECT pane FROM ${each}${sinceSql(sinceMs)}`)
    return `(${selects.length === 0 ? 'SELECT NULL::BIGINT AS pane WHERE false' : selects.join(' UNION ALL ')})`
  }

  /** Tables of what is not of the tail. */
  #settledRows({ tables }: SettledTables): string[] {
    const { table } = this.#parts.closed
    return [...tables, ...(table === null ? [] : [table])].map(({ name }) => name)
  }

  #rows<Row>(sql: string): Promise<Row[]> {
    return this.#parts.connection.rows<Row>(sql)
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

/** Files that can have panes from `sinceMs` on, as one relation; none: no file can. */
function filesSince({ paths }: SettledTables, sinceMs: number): string[] {
  const within = Number.isFinite(sinceMs) ? filesWithin(paths, { fromMs: sinceMs }) : paths
  return within.length === 0 ? [] : [readParquetSql(within.map(({ path }) => path))]
}

function sinceSql(sinceMs: number): string {
  return Number.isFinite(sinceMs) ? ` WHERE pane >= ${sinceMs}::BIGINT` : ''
}

function isSame(one: SettledTables, other: SettledTables): boolean {
  return (
    isSameList(one.tables, other.tables) &&
    (one.paths === other.paths ||
      isSameList(
        one.paths.map(({ path }) => path),
        other.paths.map(({ path }) => path),
      )) &&
    isSameList(
      one.dictionaries.map(({ table }) => table),
      other.dictionaries.map(({ table }) => table),
    )
  )
}

function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index])
}
