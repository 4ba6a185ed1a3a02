/** One view's resident states, and the head: the newest moment of which all of them are at hand. */
import pLimit from 'p-limit'
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'
import { emptyRelation } from '#core/view-sql.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { StateFile } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { ALL_STATES, filesWithin, rangeOf, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import type { BoundValues } from '../answers/bound-values.ts'
import { closedFilesOf, generationFilesOf } from '../answers/merged-sql.ts'
import { NewestPane } from '../answers/newest-pane.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { ClosedStates } from './closed-states.ts'
import type { FileTables } from './file-tables.ts'
import type { LargeTable } from './large-tables.ts'
import type { LiveLimits } from './live-limits.ts'
import type { TailPlace } from './log-tail.ts'
import type { ResidentTable } from './resident-table.ts'
import { TailStates } from './tail-states.ts'
import { type KeptTally, TallyKeeper } from './tally-keeper.ts'

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
  /** the tail's table of typed rows */
  readonly tail: string
}

export interface PinnedDictionary {
  readonly name: string
  readonly table: ResidentTable | null
  /** relation of the pinned version */
  readonly sql: string
}

/** A file of the lake, and the panes that it can hold. */
interface StatePath {
  readonly path: string
  readonly range: StateRange
  /** of a large file, which has the same rows */
  readonly large: LargeTable | null
}

interface Settled {
  readonly tables: readonly ResidentTable[]
  /** of files that are too large, or too many, to be tables */
  readonly paths: readonly StatePath[]
  readonly dictionaries: readonly PinnedDictionary[]
  /** closed segments are among the paths: there are others with each one that closes */
  readonly hasClosedPaths: boolean
}

/** What a generation holds of the view. */
interface OfGeneration extends Omit<Settled, 'hasClosedPaths'> {
  readonly generation: Snapshot['generation']
  /** when its files were looked at; monotonic, ms */
  readonly lookedAtMs: number
}

/** Binds the number of a refresh. @returns its place in the SQL text */
type BindSeq = (seq: number) => string

/** What a head's state rows are read from. */
interface HeadParts {
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

/** A view's states at a moment, as relations of the engine. */
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

/** The dataset's moments, for its views. */
export interface Moments {
  /** the newest */
  now(): Moment
  /** Runs the work while the tail's table does not change. */
  whileStill<T>(work: (now: Moment) => Promise<T> | T): Promise<T>
}

/** Whether the places begin where they began. */
function isSameLake(one: Moment, other: Moment): boolean {
  const { generation, segments } = other.snapshot
  return one.epoch === other.epoch && one.snapshot.segments === segments && one.snapshot.generation === generation
}

/** maximum number of files of a generation that are tables of one view */
const FILE_TABLES_MAX = 64

/** How long the files of a generation are taken for there without another look: they are kept for as long as it is current, but a cache may drop them. */
const LOOKED_MS = 10_000

/** how often a view is brought up to date beside the lake's changes, before it makes them wait */
const FOLLOW_TRIES = 2

export interface LiveViewParts {
  readonly view: CompiledView
  readonly moments: Moments
  /** of this view's changes */
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
  readonly #tallies: TallyKeeper
  #head: ViewHead | null = null
  /** monotonic, ms */
  askedAtMs = Number.NEGATIVE_INFINITY
  /** when it should be brought up to date unasked, at the earliest; monotonic, ms */
  dueAtMs = 0
  readonly #oneChange = pLimit(1)
  /** of the head */
  #settledNow: Settled | null = null
  /** read once for each generation, not for each moment */
  #ofGeneration: OfGeneration | null = null
  /** answers that read large files */
  #fromFiles = 0
  #makingLarge = false
  /** there are tables that the head does not know */
  #hasNewTables = false
  #following: Promise<ViewHead> | null = null

  constructor(parts: LiveViewParts) {
    const { view, connection, lake, limits } = parts
    this.view = view
    this.#parts = parts
    this.#closed = new ClosedStates(view, connection, lake, limits.closedBytesMax)
    this.#tail = new TailStates(view, connection)
    this.#tallies = new TallyKeeper({ view, connection, closed: this.#closed, tail: this.#tail, limits })
  }

  /** null before the first */
  get head(): ViewHead | null {
    return this.#head
  }

  /** Records that the head does not count. */
  get behind(): number {
    return this.#tail.unfolded(this.#parts.moments.now().places)
  }

  /** Records of the tail. */
  get open(): number {
    return this.#parts.moments.now().places.reduce((sum, { start, end }) => sum + end - start, 0)
  }

  /**
   * Brings the states to the newest moment; who calls it meanwhile joins it. What takes long is done beside the tail: only the fold
   * itself holds it still.
   * @throws NeedsBackfillError, PartialsCompactedError, LakeError
   */
  follow(): Promise<ViewHead> {
    this.#following ??= this.#oneChange(() => this.#followAndTally()).finally(() => {
      this.#following = null
    })
    return this.#following
  }

  /**
   * Makes a tally of the head once enough queries would have been answered from it.
   *
   * @param measures that one of them needs; null: there is a tally with all of them, but not of its range
   * @param fromMs where the range begins; Infinity: it is that of the newest window
   */
  wantTally(measures: readonly string[] | null, fromMs: number): void {
    this.#tallies.wantRange(fromMs)
    if (measures === null) return
    this.#tallies.want(measures)
    // What keeps it from being made keeps the view from being followed, and is reported there.
    if (this.#settledNow !== null && this.#tallies.isDue(this.#settledNow)) void this.follow().catch(() => {})
  }

  /** Runs the work while no other change of the view is made. @param work is given what brings the view to a moment that lasts */
  inTurn<T>(work: (follow: (now: Moment) => Promise<ViewHead>) => Promise<T>): Promise<T> {
    return this.#oneChange(() =>
      work(async (now) => (this.#head?.moment === now ? this.#head : this.#folded(now, await this.#prepared(now)))),
    )
  }

  /** Waits until no change is under way, whatever comes of it. */
  async settle(): Promise<void> {
    await this.#following?.catch(() => {})
  }

  async #followAndTally(): Promise<ViewHead> {
    const head = await this.#followOnce()
    const settled = this.#settledNow
    if (settled !== null && this.#tallies.isDue(settled)) head.tally = await this.#tallies.make(settled)
    return head
  }

  async #followOnce(): Promise<ViewHead> {
    const { moments } = this.#parts
    for (let attempt = 0; attempt < FOLLOW_TRIES; attempt++) {
      const moment = moments.now()
      if (this.#head?.moment === moment && !this.#hasNewTables) return this.#head
      const settled = await this.#prepared(moment)
      const head = await moments.whileStill((now) => (isSameLake(now, moment) ? this.#folded(now, settled) : null))
      if (head !== null) return head
    }
    // Segments close faster than this view takes them in: all waits, or it never would.
    return moments.whileStill(async (now) => this.#folded(now, await this.#prepared(now)))
  }

  async #prepared(moment: Moment): Promise<Settled> {
    const settled = await this.#settled(moment)
    await this.#tail.prepare(moment.places, moment.epoch)
    return settled
  }

  async #folded(moment: Moment, settled: Settled): Promise<ViewHead> {
    await this.#tail.fold(moment.places, moment.tail, moment.seq)
    const head = this.#headOf(moment, settled)
    if (this.#head !== null) this.#head.tally = null
    head.tally = this.#tallies.commit(settled)
    this.#settledNow = settled
    return this.#replaceHead(head)
  }

  /** What the lake holds of the view. */
  async #settled({ snapshot, seq }: Moment): Promise<Settled> {
    const { tables, paths, dictionaries } = await this.#generation(snapshot)
    const left = await this.#closed.hold(closedFilesOf(this.view, snapshot), seq)
    const hasClosedPaths = left.length > 0
    return {
      tables,
      paths: hasClosedPaths ? [...paths, ...(await this.#paths(left))] : paths,
      dictionaries,
      hasClosedPaths,
    }
  }

  async #generation(snapshot: Snapshot): Promise<OfGeneration> {
    const [known, nowMs] = [this.#ofGeneration, performance.now()]
    const isKnown = known?.generation === snapshot.generation && nowMs - known.lookedAtMs < LOOKED_MS
    if (isKnown && !this.#hasNewTables) return known
    this.#hasNewTables = false
    const { tables, left } = await this.#tables(generationFilesOf(this.view, snapshot))
    const [dictionaries, paths] = [await this.#dictionaries(snapshot), await this.#paths(left)]
    this.#ofGeneration = { generation: snapshot.generation, lookedAtMs: nowMs, tables, paths, dictionaries }
    return this.#ofGeneration
  }

  /** Has large files of the generation made into tables, and a head that reads these, once enough answers would have been computed from them. */
  #wantLarge(snapshot: Snapshot): void {
    if (++this.#fromFiles < this.#parts.limits.largeAfterAnswers || this.#makingLarge) return
    this.#makingLarge = true
    const { files } = this.#parts
    const made = files.large.make(
      this.view,
      generationFilesOf(this.view, snapshot).filter((file) => files.isLarge(file)),
    )
    const used = made.then(async (isNew) => {
      this.#hasNewTables ||= isNew
      if (isNew) await this.follow()
    })
    // What keeps a table from being made is found again by who reads the file.
    void used
      .catch(() => {})
      .finally(() => {
        this.#makingLarge = false
      })
  }

  #headOf(moment: Moment, { tables, paths, dictionaries }: Settled): ViewHead {
    const { stateColumns } = this.view
    const columns = namesOf(stateColumns)
    const [closed, open] = [this.#closed.table, this.#tail.table]
    const forgotten = this.#tail.forgotten
    const resident = (seq: BindSeq): string[] => {
      const upTo = ({ name }: ResidentTable): string =>
        `SELECT ${columns} FROM ${name} WHERE _seq <= ${seq(moment.seq)}`
      const gone = [...forgotten].map(
        ([partition, last]) => ` AND NOT (_partition = ${partition} AND _seq <= ${seq(last)})`,
      )
      return [
        ...tables.map(({ name }) => `SELECT ${columns} FROM ${name}`),
        ...(closed === null ? [] : [upTo(closed)]),
        ...(open === null ? [] : [upTo(open) + gone.join('')]),
      ]
    }
    const large = paths.map((file) => file.large?.table ?? null)
    const all = [...tables, closed, open, ...large, ...dictionaries.map(({ table }) => table)].filter(
      (table) => table !== null,
    )
    const readsFiles = (): void => this.#wantLarge(moment.snapshot)
    return new ViewHead(moment, { columns: stateColumns, resident, paths, dictionaries, tables: all, readsFiles })
  }

  /** Has the next moment look at the files of its generation, because some that were there are gone. */
  lookAgain(): void {
    this.#ofGeneration = null
  }

  /** Gives up what only this view keeps, when no change of it is under way. */
  async drop(): Promise<void> {
    await this.#oneChange(() => {
      this.#closed.drop()
      this.#dropHead()
    })
  }

  /** Keeps what the lake holds at the newest moment, and nothing of the tail: the next head folds all of it. @throws as `follow` */
  async rest(): Promise<void> {
    await this.#oneChange(async () => {
      this.#dropHead()
      await this.#settled(this.#parts.moments.now())
    })
  }

  #dropHead(): void {
    this.#tail.drop()
    this.#tallies.drop()
    if (this.#head !== null) this.#head.tally = null
    this.#head?.release()
    this.#head = null
    this.#settledNow = null
    this.#ofGeneration = null
  }

  async close(): Promise<void> {
    await this.#oneChange(() => this.#parts.connection.close())
  }

  /** The head itself is a reader of its tables: they stay as long as somebody can still be given it. */
  #replaceHead(head: ViewHead): ViewHead {
    head.retain()
    this.#head?.release()
    this.#head = head
    return head
  }

  /** The newest come first: what late events added to many old ranges are many small files. */
  async #tables(files: readonly StateFile[]): Promise<{ tables: ResidentTable[]; left: StateFile[] }> {
    const [tables, left]: [ResidentTable[], StateFile[]] = [[], []]
    for (const file of files.toReversed()) {
      const table = tables.length < FILE_TABLES_MAX ? await this.#parts.files.table(file) : null
      if (table === null) left.push(file)
      else tables.push(table)
    }
    return { tables, left }
  }

  async #dictionaries({ generation }: Snapshot): Promise<PinnedDictionary[]> {
    const wanted = new Set(this.view.lookups.map(({ dictionary }) => dictionary))
    const pins = Object.entries(generation?.dictionaries ?? {}).filter(([name]) => wanted.has(name))
    return Promise.all(
      pins.map(async ([name, { file }]) => {
        const table = await this.#parts.files.table(file)
        return { name, table, sql: table?.name ?? readParquetSql((await this.#paths([file])).map(({ path }) => path)) }
      }),
    )
  }

  async #paths(files: readonly StateFile[]): Promise<readonly StatePath[]> {
    if (files.length === 0) return []
    const { lake, files: known } = this.#parts
    await lake.check(files)
    return files.map((file) => ({ path: lake.resolve(file), range: rangeOf(file), large: known.large.table(file) }))
  }
}

function namesOf(columns: readonly SqlColumn[]): string {
  return columns.map(({ name }) => quoteName(name)).join(', ')
}
