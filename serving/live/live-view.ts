/** One view's resident states, and the head: the newest moment of which all of them are at hand. */
import pLimit from 'p-limit'
import type { CompiledView } from '#core/compiled.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { ClosedStates } from './closed-states.ts'
import type { FileTables } from './file-tables.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ResidentTable } from './resident-table.ts'
import { type Settled, SettledStates } from './settled-states.ts'
import { TailStates } from './tail-states.ts'
import { TallyKeeper } from './tally-keeper.ts'
import { type BindSeq, type Moment, namesOf, ViewHead } from './view-head.ts'

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

/** how often a view is brought up to date beside the lake's changes, before it makes them wait */
const FOLLOW_TRIES = 2
/** If the current head is older, it is replaced without waiting for the tally of the next one. */
const RENEW_AGE_MS_MAX = 5_000

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
  readonly #settled: SettledStates
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
  #following: Promise<ViewHead> | null = null
  #isTallying = false

  constructor(parts: LiveViewParts) {
    const { view, connection, lake, files, limits } = parts
    this.view = view
    this.#parts = parts
    this.#closed = new ClosedStates(view, connection, lake, limits.closedBytesMax)
    this.#settled = new SettledStates({ view, lake, files, closed: this.#closed, limits })
    this.#tail = new TailStates(view, connection)
    this.#tallies = new TallyKeeper({ view, connection, closed: this.#closed, tail: this.#tail, limits })
  }

  /** null before the first */
  get head(): ViewHead | null {
    return this.#head
  }

  /** Whether a tally is being built. That can take seconds, during which the current head keeps answering. */
  get isTallying(): boolean {
    return this.#isTallying
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
   * @param measures that one of them needs; null: there is a tally with all of them
   * @param fromMs where the range begins; Infinity: it is that of the newest window
   * @param answers number of queries that this call stands for
   */
  wantTally(measures: readonly string[] | null, fromMs: number, answers = 1): void {
    this.#tallies.wantRange(fromMs)
    if (measures === null) return
    this.#tallies.want(measures, answers)
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
    if (settled !== null && this.#tallies.isDue(settled))
      head.tally = await this.#tallying(() => this.#tallies.make(settled))
    return head
  }

  async #tallying<T>(make: () => Promise<T>): Promise<T> {
    this.#isTallying = true
    try {
      return await make()
    } finally {
      this.#isTallying = false
    }
  }

  async #followOnce(): Promise<ViewHead> {
    const { moments } = this.#parts
    for (let attempt = 0; attempt < FOLLOW_TRIES; attempt++) {
      const moment = moments.now()
      if (this.#head?.moment === moment && !this.#settled.hasNewTables) return this.#head
      const settled = await this.#prepared(moment)
      // Views are updated one after another: in a long round, the others wait for this one.
      if (this.#head !== null && performance.now() - this.#head.moment.atMs < RENEW_AGE_MS_MAX)
        await this.#tallying(() => this.#tallies.renew(settled))
      const head = await moments.whileStill((now) => (isSameLake(now, moment) ? this.#folded(now, settled) : null))
      if (head !== null) return head
    }
    // Segments close faster than this view takes them in: all waits, or it never would.
    return moments.whileStill(async (now) => this.#folded(now, await this.#prepared(now)))
  }

  async #prepared(moment: Moment): Promise<Settled> {
    await this.#tallies.tidy()
    const settled = await this.#settled.at(moment)
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
    const readsFiles = (): void => this.#settled.wantLarge(moment.snapshot, () => this.follow())
    return new ViewHead(moment, { columns: stateColumns, resident, paths, dictionaries, tables: all, readsFiles })
  }

  /** Has the next moment check the files of its generation again, because some of them are gone. */
  checkAgain(): void {
    this.#settled.forget()
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
      await this.#settled.at(this.#parts.moments.now())
    })
  }

  #dropHead(): void {
    this.#tail.drop()
    this.#tallies.drop()
    if (this.#head !== null) this.#head.tally = null
    this.#head?.release()
    this.#head = null
    this.#settledNow = null
    this.#settled.forget()
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
}
