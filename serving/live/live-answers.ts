/**
 * Answers from resident states. An answer is computed once for all who ask the same at one moment, and kept: asked again before
 * anything changed, it is given as it is. Its own position says what it counts; how old that is, is said anew each time.
 */
import { isReached } from '#core/log-position.ts'
import type { OffsetRange, Positions } from '#core/offsets.ts'
import type { ViewQuery } from '#core/query.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import type { PaneRange } from '#storage/speed-store/speed-store.ts'
import { answerFromRows } from '../answers/answer-from-rows.ts'
import { type AnswerAge, ageOf, whyMissing } from '../answers/answer-meta.ts'
import { type AnswerStep, StepClock } from '../answers/answer-steps.ts'
import type { AtLeast } from '../answers/at-least.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { everyRowOf, type RowsPlace, type RowsWork } from '../answers/every-row.ts'
import {
  type Answer,
  type AnswerOptions,
  answerStates,
  isVanishedFile,
  panesAsked,
  profileStates,
  type StatesAt,
  withSteps,
} from '../answers/merged-view.ts'
import { NeedsBackfillError, PositionNotReachedError, QueryError } from '../answers/query-error.ts'
import { planFor, type QueryPlan, viewsOf } from '../answers/query-plan.ts'
import { type PartitionPosition, type Snapshot, SnapshotError } from '../answers/snapshot.ts'
import { limited, onConnection, QUERY_MS_MAX, whyOver } from '../answers/time-limit.ts'
import type { EventsDataset } from '../raw-events/events-page.ts'
import { tallyAnswer } from '../tally/tally-answer.ts'
import { tallyPlan } from '../tally/tally-plan.ts'
import { tallyShape } from '../tally/tally-shape.ts'
import { AnswerCache, type KeptAnswer } from './answer-cache.ts'
import { type AskedQuery, keyOf, windowOf } from './asked-query.ts'
import { copiedStates } from './copied-states.ts'
import { keptOf } from './kept-answer.ts'
import type { LiveDataset } from './live-dataset.ts'
import type { LiveLimits } from './live-limits.ts'
import type { ViewHead } from './live-view.ts'
import { SharedWork } from './shared-work.ts'
import { WorkShare } from './work-share.ts'

const TRIES_MAX = 3
const RECOMPUTE_PAUSE_MS_MAX = 10_000
const VANISHED = 'files of the lake were removed again and again while they were read'

/** A dataset that is answered from resident states, where it has them. */
export interface AnsweredDataset extends EventsDataset {
  readonly live?: LiveAnswers
}

export type { AskedQuery }

/** Where an answer comes from: kept from before, from a computation that was under way, or computed. */
export type AnswerSource = 'kept' | 'joined' | 'computed'

export interface WaitOptions extends Pick<AnswerOptions, 'queryMsMax'> {
  /** aborted when the client is gone */
  readonly signal: AbortSignal
  /** bounds how many compute at the same time, and for how long */
  readonly run: <T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>
}

export class LiveAnswers {
  readonly #live: LiveDataset
  readonly #given: (source: AnswerSource) => void
  readonly #limits: LiveLimits
  readonly #cache: AnswerCache
  readonly #share: WorkShare
  readonly #plans = new Map<string, AskedQuery>()
  readonly #flights = new Map<string, SharedWork<KeptAnswer>>()
  /** how often each way was gone */
  readonly counts: Record<AnswerSource, number> = { kept: 0, joined: 0, computed: 0 }
  /** of the computed ones, those that took nothing of the engine */
  tallied = 0

  /** @param given told of each answer */
  constructor(live: LiveDataset, given: (source: AnswerSource) => void = () => {}) {
    this.#given = given
    this.#live = live
    this.#limits = live.limits
    this.#share = new WorkShare(() => live.limits.recomputeShare, RECOMPUTE_PAUSE_MS_MAX)
    this.#cache = new AnswerCache(this.#limits)
  }

  /** of the dataset */
  get name(): string {
    return this.#live.served.dataset.name
  }

  /** The moment that a query would be answered from now. @throws SnapshotError, LakeError */
  snapshot(): Promise<Snapshot> {
    return this.#live.snapshot()
  }

  start(): void {
    this.#live.start()
  }

  stop(): Promise<void> {
    return this.#live.stop()
  }

  /** Told of events that this process put into the log: until they are counted, `behind` says so. */
  appended(ranges: readonly OffsetRange[]): void {
    this.#live.appended(ranges)
  }

  /** @throws QueryError */
  asked(query: ViewQuery): AskedQuery {
    const text = JSON.stringify(query)
    const known = this.#plans.get(text)
    if (known !== undefined) return known
    const plan = planFor(this.#live.served.dataset, query)
    const shape = tallyShape(plan.view)
    const asked = { plan, text, tallied: shape && tallyPlan(plan, shape) }
    if (this.#plans.size >= this.#limits.answersMax) this.#plans.delete(this.#plans.keys().next().value!)
    this.#plans.set(text, asked)
    return asked
  }

  /**
   * The kept answer, where it can be given as it is: nothing is awaited. One that is asked for all the time is computed anew before it
   * is too old to be given, so that nobody waits for it.
   */
  answerNow(asked: AskedQuery, nowMs: number): KeptAnswer | null {
    const kept = this.#cache.get(asked.text)
    const names = viewsOf(asked.plan).map(({ name }) => name)
    // Each of them is told that it is asked for.
    if (kept === undefined || names.filter((name) => this.#live.isFollowed(name)).length < names.length) return null
    const head = this.#live.headNow(names[0]!)
    if (kept.moment !== head?.moment || kept.window !== windowOf(asked.plan, nowMs)) {
      const [ageMs, reuseMs] = [performance.now() - kept.doneAtMs, this.#reuseMs(kept)]
      const comes = this.isUnderWay(asked, nowMs) || this.#flights.size >= this.#limits.aheadMax
      if (ageMs > reuseMs + (comes ? this.#limits.reuseMsMax : this.#aheadMs(kept))) return null
      if (ageMs > reuseMs) this.#computeAhead(asked, nowMs)
    }
    this.#count('kept')
    return kept
  }

  /** Whether an answer is what is known now: of the newest moment, and of the window that the clock gives. */
  isNewest({ moment, window }: KeptAnswer, asked: AskedQuery, nowMs: number): boolean {
    return moment.seq === this.#live.seq && window === windowOf(asked.plan, nowMs)
  }

  /** The newest answer: the kept one if it is, otherwise computed. @throws as `answer` */
  async newest(asked: AskedQuery, options: AnswerOptions & { readonly nowMs: number }): Promise<KeptAnswer> {
    const kept = this.answerNow(asked, options.nowMs)
    return kept !== null && this.isNewest(kept, asked, options.nowMs) ? kept : this.answer(asked, options)
  }

  /** When the clock gives the query another window, epoch ms; null: it never does. */
  nextWindowMs({ plan }: AskedQuery, nowMs: number): number | null {
    if (windowOf(plan, nowMs) === null) return null
    const { everyMs } = plan.window!
    // A window is over right after its end.
    return (Math.floor(nowMs / everyMs) + 1) * everyMs + 1
  }

  /** Resolves when more may be counted, or nothing can be read any more, or the signal is aborted. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#live.changed(signal)
  }

  /** Whether the log, as last read, ends before the position: it counts events that the log does not hold. */
  isBeyondLog(position: Positions, { snapshot }: KeptAnswer): boolean {
    const ends = new Map(
      this.#live.seen(snapshot).map((at) => [at.partition, at.behind === null ? null : at.position + at.behind]),
    )
    return [...position].some(([partition, offset]) => offset > (ends.get(partition) ?? Number.POSITIVE_INFINITY))
  }

  /** Says that the view is still read, so that it is brought up to date all the time. */
  keepUp({ plan }: AskedQuery): void {
    for (const { name } of viewsOf(plan)) this.#live.isFollowed(name)
  }

  /** Told of each live reader that comes (1) or leaves (-1). */
  countReaders(change: 1 | -1): void {
    this.#live.countReaders(change)
  }

  /** Whether the answer is being computed: then waiting for it is no work of its own. */
  isUnderWay(asked: AskedQuery, nowMs: number): boolean {
    return this.#flights.has(keyOf(asked, nowMs))
  }

  /** @throws NeedsBackfillError, PartialsCompactedError, QueryTimeoutError, ClientGoneError, SnapshotError, LakeError */
  async answer(asked: AskedQuery, options: AnswerOptions = {}): Promise<KeptAnswer> {
    const key = keyOf(asked, options.nowMs ?? Date.now())
    const flight = this.#flights.get(key)
    if (flight === undefined) return this.#begin(key, asked, options).join(options.signal)
    this.#count('joined')
    return flight.join(options.signal)
  }

  /**
   * All rows of the answer, however many, from the newest moment, computed in a place apart from other answers.
   * @throws as `answer`, but NeedsBackfillError also where an earlier definition could answer
   */
  async everyRow<T>({ plan }: AskedQuery, place: RowsPlace, signal: AbortSignal, work: RowsWork<T>): Promise<T> {
    const states = await this.#copied(plan, place, signal)
    return onConnection(place.engine, signal, (connection) => everyRowOf(connection, plan, states, Date.now(), work))
  }

  async #copied({ view, sides }: QueryPlan, { folder }: RowsPlace, signal: AbortSignal): Promise<StatesAt> {
    if (sides !== null)
      throw new QueryError('limit', "'all' cannot be combined with 'views'; read them in pages, with 'cursor'")
    const head = await this.#live.head(view.name)
    try {
      signal.throwIfAborted()
      return await onConnection(this.#live.served.engine, signal, (connection) =>
        copiedStates(head, connection, folder),
      )
    } finally {
      head.release()
    }
  }

  /** Waits until answers count everything before the position. @throws PositionNotReachedError */
  async reach({ plan }: AskedQuery, { position, waitMsMax }: AtLeast, signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, AbortSignal.timeout(waitMsMax)])
    if (await this.#live.reach(viewsOf(plan)[0]!.name, position, over)) return
    throw signal.aborted ? whyOver(signal) : new PositionNotReachedError(position, this.#live.counted, waitMsMax)
  }

  /**
   * As `answer`, but of a moment that counts everything before the position, for which it waits.
   * @param run bounds how many compute at the same time; nobody waits in it
   * @throws as `answer`; PositionNotReachedError
   */
  async answerAtLeast(asked: AskedQuery, { position, waitMsMax }: AtLeast, options: WaitOptions): Promise<KeptAnswer> {
    const kept = this.answerNow(asked, Date.now())
    if (kept !== null && isReached(position, kept.meta.position)) return kept
    const { signal, queryMsMax, run } = options
    const ask = (): Promise<KeptAnswer> => run((within) => this.answer(asked, { queryMsMax, signal: within }))
    const over = AbortSignal.any([signal, AbortSignal.timeout(waitMsMax)])
    try {
      while (await this.#live.reach(viewsOf(asked.plan)[0]!.name, position, over)) {
        const answer = await ask()
        // One that it joined may have begun before.
        if (isReached(position, answer.meta.position)) return answer
      }
    } catch (error) {
      if (!(error instanceof NeedsBackfillError)) throw error
      // Answers from rows end with the closed segments, and nothing tells when the next one closes.
      const answer = await ask()
      if (isReached(position, answer.meta.position)) return answer
      throw new PositionNotReachedError(position, answer.meta.position, waitMsMax)
    }
    throw signal.aborted ? whyOver(signal) : new PositionNotReachedError(position, this.#live.counted, waitMsMax)
  }

  /** What the answer says of its age, as of now. */
  age(kept: KeptAnswer, nowMs: number): AnswerAge {
    return ageOf(kept.meta, this.#live.seen(kept.snapshot), nowMs)
  }

  /** The answer's JSON members that change with the clock. */
  ageJson(kept: KeptAnswer, nowMs: number): string {
    return JSON.stringify(this.age(kept, nowMs))
  }

  /** The snapshot's positions, with their age and distance from the log's end as last read. */
  seen(snapshot: Snapshot): readonly PartitionPosition[] {
    return this.#live.seen(snapshot)
  }

  /** Why events of open segments may be missing in the answer now; else null. */
  whyMissing(kept: KeptAnswer): string | null {
    return whyMissing(this.#live.seen(kept.snapshot))
  }

  #count(source: AnswerSource): void {
    this.counts[source]++
    this.#given(source)
  }

  /** For how long a kept answer is given although newer events are folded: longer while computing answers takes more than its share. */
  #reuseMs({ tookMs }: KeptAnswer): number {
    const { reuseMsMax, reuseFactor } = this.#limits
    return this.#share.isUsedUp(performance.now()) ? reuseMsMax : Math.min(reuseMsMax, reuseFactor * tookMs)
  }

  /** For how long it is still given, so that it is asked for before it has to be waited for. */
  #aheadMs({ tookMs }: KeptAnswer): number {
    const { reuseMsMax, aheadFactor, aheadMsMin } = this.#limits
    return Math.min(reuseMsMax, Math.max(aheadMsMin, aheadFactor * tookMs))
  }

  #computeAhead(asked: AskedQuery, nowMs: number): void {
    const key = keyOf(asked, nowMs)
    if (this.#flights.has(key) || this.#flights.size >= this.#limits.aheadMax) return
    // An error is reported to the first query that needs a new answer.
    this.#begin(key, asked, { nowMs })
      .join()
      .catch(() => {})
  }

  #begin(key: string, asked: AskedQuery, options: AnswerOptions): SharedWork<KeptAnswer> {
    const over = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    const { queryMsMax = QUERY_MS_MAX, nowMs = Date.now() } = options
    const compute = (signal: AbortSignal): Promise<KeptAnswer> => this.#compute(asked, nowMs, signal)
    const flight = new SharedWork((signal) => limited(queryMsMax, signal, compute).finally(over), over)
    this.#flights.set(key, flight)
    return flight
  }

  async #compute(asked: AskedQuery, nowMs: number, signal: AbortSignal): Promise<KeptAnswer> {
    const { plan, text } = asked
    for (let attempt = 1; ; attempt++) {
      try {
        // Bringing the view up to date reads files too, which may be gone as well.
        const names = viewsOf(plan).map(({ name }) => name)
        if (attempt > 1) for (const name of names) await this.#live.renew(name)
        const clock = new StepClock()
        const heads = await this.#live.heads(names)
        clock.over('states')
        const [head] = heads as [ViewHead]
        const began = performance.now()
        const tallied = this.#tallied(asked, head, nowMs)
        const answer =
          tallied === null
            ? withSteps(await this.#answerAt(heads, plan, nowMs, signal), 'resident', clock)
            : withSteps(tallied, 'tally', clock)
        this.#count('computed')
        const kept = keptOf(answer, head.moment, windowOf(plan, nowMs), performance.now() - began)
        this.#share.use(kept.tookMs, kept.doneAtMs)
        // The pages of an answer are not kept as long.
        if (!plan.paged) this.#cache.keep(text, kept)
        return kept
      } catch (error) {
        if (error instanceof NeedsBackfillError) return this.#computeFromRows(plan, nowMs, signal, error)
        if (!isVanishedFile(error) || signal.aborted) throw error
        if (attempt >= TRIES_MAX) throw new SnapshotError(this.name, VANISHED)
      }
    }
  }

  /** By the definition that the generation was computed by. Not kept: the view is not followed, so nothing tells when it changes. */
  async #computeFromRows(
    plan: QueryPlan,
    nowMs: number,
    signal: AbortSignal,
    needs: NeedsBackfillError,
  ): Promise<KeptAnswer> {
    const began = performance.now()
    const { answerBytesMax } = this.#limits
    const { moment } = this.#live
    const answer = await answerFromRows(this.#live.served, plan.query, moment.snapshot, needs, {
      nowMs,
      answerBytesMax,
      signal,
    })
    this.#count('computed')
    return keptOf(answer, moment, windowOf(plan, nowMs), performance.now() - began)
  }

  /** What the parts of the query's merge cost in the engine now. @throws as `answer` */
  async profile({ plan }: AskedQuery, signal: AbortSignal): Promise<AnswerStep[]> {
    const heads = await this.#live.heads(viewsOf(plan).map(({ name }) => name))
    try {
      const nowMs = Date.now()
      const states = statesOfHeads(plan, heads, panesAsked(plan, nowMs))
      return await onConnection(this.#live.served.engine, signal, (on) => profileStates(on, plan, states, nowMs))
    } finally {
      for (const head of heads) head.release()
    }
  }

  /** The answer from the numbers that are kept of the view; null: the engine has to give it. The head is released if it is not null. */
  #tallied({ plan, tallied }: AskedQuery, head: ViewHead, nowMs: number): Answer | null {
    if (tallied === null) return null
    if (head.tally === null) this.#live.wantTally(plan.view.name)
    if (head.tally === null) return null
    const { tally, dictionaries } = head.tally
    const { answerBytesMax } = this.#limits
    const at = { snapshot: head.moment.snapshot, dictionaries }
    try {
      const answer = tallyAnswer(tallied, tally, at, { nowMs, answerBytesMax })
      if (answer === null) return null
      head.release()
      this.tallied++
      return answer
    } catch (error) {
      head.release()
      throw error
    }
  }

  /** @param heads of the views that are asked for, of one moment */
  async #answerAt(heads: readonly ViewHead[], plan: QueryPlan, nowMs: number, signal: AbortSignal): Promise<Answer> {
    const { answerBytesMax } = this.#limits
    try {
      signal.throwIfAborted()
      const states = statesOfHeads(plan, heads, panesAsked(plan, nowMs))
      const answer = (connection: EngineConnection): Promise<Answer> =>
        answerStates(this.#live.served.engine, connection, plan, states, { nowMs, answerBytesMax })
      return await onConnection(this.#live.served.engine, signal, answer, { pooled: true })
    } finally {
      for (const head of heads) head.release()
    }
  }
}

function statesOfHeads(plan: QueryPlan, heads: readonly ViewHead[], panes: PaneRange): StatesAt {
  const [{ newestPane, moment }] = heads as readonly [ViewHead]
  const bound = new BoundValues()
  const relations = heads.map((head) => head.sql(bound, panes))
  const sql =
    plan.sides === null ? relations[0]! : new Map(viewsOf(plan).map(({ name }, at) => [name, relations[at]!] as const))
  const dictionaries = new Map(heads.flatMap((head) => [...head.dictionaries]))
  return { snapshot: moment.snapshot, sql, bound, dictionaries, newestPane }
}
