/**
 * Answers from resident states. An answer is computed once for all who ask the same at one moment, and kept: asked again before
 * anything changed, it is given as it is. Its own position says what it counts; how old that is, is said anew each time.
 */
import { isReached } from '#core/log-position.ts'
import type { OffsetRange, Positions } from '#core/offsets.ts'
import type { ViewQuery } from '#core/query.ts'
import { type AnswerAge, ageOf, whyMissing } from '../answers/answer-meta.ts'
import type { AnswerStep } from '../answers/answer-steps.ts'
import type { AtLeast } from '../answers/at-least.ts'
import type { RowsPlace, RowsWork } from '../answers/every-row.ts'
import type { AnswerOptions } from '../answers/merged-view.ts'
import { NeedsBackfillError, PositionNotReachedError } from '../answers/query-error.ts'
import { planFor, viewsOf } from '../answers/query-plan.ts'
import type { PartitionPosition, Snapshot } from '../answers/snapshot.ts'
import { limited, QUERY_MS_MAX, whyOver } from '../answers/time-limit.ts'
import type { EventsDataset } from '../raw-events/events-page.ts'
import { TalliedQuery } from '../tally/tally-plan.ts'
import { AnswerCache, type KeptAnswer } from './answer-cache.ts'
import { type AskedQuery, keyOf, windowOf } from './asked-query.ts'
import { FailingViews } from './failing-views.ts'
import type { LiveDataset } from './live-dataset.ts'
import type { LiveLimits } from './live-limits.ts'
import { ResidentAnswers } from './resident-answers.ts'
import { SharedWork } from './shared-work.ts'
import { WorkShare } from './work-share.ts'

const RECOMPUTE_PAUSE_MS_MAX = 10_000

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
  readonly #resident: ResidentAnswers
  readonly #cache: AnswerCache
  readonly #share: WorkShare
  readonly #failing = new FailingViews()
  readonly #plans = new Map<string, AskedQuery>()
  #isExpecting = false
  readonly #flights = new Map<string, SharedWork<KeptAnswer>>()
  /** how often each way was gone */
  readonly counts: Record<AnswerSource, number> = { kept: 0, joined: 0, computed: 0 }

  /** @param given told of each answer */
  constructor(live: LiveDataset, given: (source: AnswerSource) => void = () => {}) {
    this.#given = given
    this.#live = live
    this.#limits = live.limits
    this.#resident = new ResidentAnswers(live)
    this.#share = new WorkShare(() => live.limits.recomputeShare, RECOMPUTE_PAUSE_MS_MAX)
    this.#cache = new AnswerCache(this.#limits)
  }

  /** of the computed ones, those that took nothing of the engine */
  get tallied(): number {
    return this.#resident.tallied
  }

  /** of the dataset */
  get name(): string {
    return this.#live.served.dataset.name
  }

  /** Views whose last query failed because of damaged or missing files, with the error message. */
  get failing(): ReadonlyMap<string, string> {
    return this.#failing.why
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
    const asked = { plan, text, tallied: TalliedQuery.of(plan) }
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

  /** As `answer`, but only where nothing has to be awaited; else null. @throws AnswerTooLargeError */
  computeNow(asked: AskedQuery, nowMs: number): KeptAnswer | null {
    const kept = this.#resident.computeNow(asked, nowMs)
    if (kept !== null) this.#computed(asked, kept)
    return kept
  }

  /** Whether an answer is what is known now: of the newest moment, and of the window that the clock gives. */
  isNewest({ moment, window }: KeptAnswer, asked: AskedQuery, nowMs: number): boolean {
    return moment.seq === this.#live.seq && window === windowOf(asked.plan, nowMs)
  }

  /**
   * The newest answer that can be given: the kept one if it is, otherwise computed. While views cannot be brought up to date at once, it is
   * of the last head, which is not computed from again. @throws as `answer`
   */
  async newest(asked: AskedQuery, options: AnswerOptions & { readonly nowMs: number }): Promise<KeptAnswer> {
    const { nowMs } = options
    const kept = this.answerNow(asked, nowMs)
    if (kept === null) return this.answer(asked, options)
    const isOfHead = kept.moment === this.#live.headNow(viewsOf(asked.plan)[0]!.name)?.moment
    const isOfWindow = kept.window === windowOf(asked.plan, nowMs)
    return (isOfHead && isOfWindow) || this.isNewest(kept, asked, nowMs) ? kept : this.answer(asked, options)
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
   * Brings views up to date that will be asked for soon, one after the other; never throws. Called again meanwhile, it does nothing: the
   * work is that of one query of each.
   */
  async expect(views: Iterable<string>): Promise<void> {
    if (this.#isExpecting) return
    this.#isExpecting = true
    try {
      for (const name of views) (await this.#live.head(name)).release()
    } catch {
      // The next query of the view gets the error.
    } finally {
      this.#isExpecting = false
    }
  }

  /**
   * Answers a default query of each view and makes its tally, so that first queries do not pay for planning and compilation. Never throws.
   * Skips views in large files, because a default query would read them completely. A view that fails is among `failing`.
   * @param signal stops it; work that has already started continues and serves the next query
   * @returns names of the views that are warm
   */
  async warmUp(signal: AbortSignal): Promise<readonly string[]> {
    const { dataset } = this.#live.served
    const warm: string[] = []
    const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    for (const view of dataset.views.keys()) {
      if (signal.aborted) break
      const warmed = this.#warmUp(view, signal).then((isWarm) => {
        if (isWarm && !signal.aborted) warm.push(view)
      })
      // Lake errors are recorded in `failing`; others are reported to the next query of the view.
      await Promise.race([warmed.catch(() => {}), over])
    }
    return warm
  }

  async #warmUp(view: string, signal: AbortSignal): Promise<boolean> {
    const head = await this.#failing.watch([view], () => this.#live.head(view))
    head.release()
    if (signal.aborted || head.inFiles().length > 0) return false
    const asked = this.asked({ dataset: this.name, view })
    await this.answer(asked, { signal })
    await this.#live.tally(view, asked.tallied?.measures ?? [])
    return true
  }

  /** As `ResidentAnswers.everyRow`. */
  everyRow<T>(asked: AskedQuery, place: RowsPlace, signal: AbortSignal, work: RowsWork<T>): Promise<T> {
    return this.#resident.everyRow(asked, place, signal, work)
  }

  /** As `ResidentAnswers.profile`. */
  profile(asked: AskedQuery, signal: AbortSignal): Promise<AnswerStep[]> {
    return this.#resident.profile(asked, signal)
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
    const names = viewsOf(asked.plan).map(({ name }) => name)
    const { kept, isFollowed } = await this.#failing.watch(names, () => this.#resident.compute(asked, nowMs, signal))
    if (isFollowed) this.#computed(asked, kept)
    else this.#count('computed')
    return kept
  }

  #computed(asked: AskedQuery, kept: KeptAnswer): void {
    this.#count('computed')
    this.#share.use(kept.tookMs, kept.doneAtMs)
    // The pages of an answer are not kept as long.
    if (!asked.plan.paged) this.#cache.keep(asked.text, kept)
  }
}
