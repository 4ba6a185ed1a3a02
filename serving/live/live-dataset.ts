/**
 * The resident side of one dataset in a serving process: keeps the states of the views that are queried as tables of the engine, each
 * always of one moment. Changes are made one after the other; answers read beside them and never wait for one.
 */
import { endsWithin } from '#core/ends-within.ts'
import { isReached } from '#core/log-position.ts'
import type { Offset, OffsetRange, Positions } from '#core/offsets.ts'
import type { PartitionPosition, Snapshot } from '../answers/snapshot.ts'
import { countedAt, DatasetMoments, type LiveDatasetParts } from './dataset-moments.ts'
import { DEFAULT_LIVE_LIMITS, idlePauseMs, type LiveLimits } from './live-limits.ts'
import { LiveView } from './live-view.ts'
import type { Moment, ViewHead } from './view-head.ts'
import { ViewRounds } from './view-rounds.ts'

/** a refresh waits no longer for the views to be brought up to date with the one before */
const ROUND_WAIT_MS_MAX = 2_000
/** the pause after refreshes that found nothing grows by this factor, up to the maximum */
const QUIET_GROWTH = 1.5
const QUIET_PAUSE_MS_MAX = 60

export class LiveDataset {
  readonly served: LiveDatasetParts
  readonly limits: LiveLimits
  readonly #moments: DatasetMoments
  readonly #views = new Map<string, LiveView>()
  readonly #opening = new Map<string, Promise<LiveView>>()
  readonly #stopping = new AbortController()
  #loop: Promise<void> | null = null
  readonly #rounds: ViewRounds
  #wake: (() => void) | null = null
  /** ends a pause that only waits for news */
  #hear: (() => void) | null = null
  /** ends a pause in which nothing that is read would be folded */
  #want: (() => void) | null = null
  /** questions that wait for a position: each folds what it waits for */
  #waiting = 0

  constructor(parts: LiveDatasetParts) {
    this.served = parts
    this.limits = { ...DEFAULT_LIVE_LIMITS, ...parts.limits }
    this.#moments = new DatasetMoments(parts, this.limits)
    const view = (name: string): Promise<LiveView> => this.#view(name)
    const names = [...parts.dataset.views.keys()]
    this.#rounds = new ViewRounds({ moments: this.#moments, limits: this.limits, names, view })
  }

  /** Begins to follow lake and log. */
  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake?.()
    this.#moments.announce()
    await this.#loop
    for (const view of this.#views.values()) await view.close()
    await this.#moments.close()
  }

  /** Whether the view is brought up to date all the time, because it is queried, and nothing prevents it. */
  isFollowed(name: string): boolean {
    return (this.#followedView(name)?.head ?? null) !== null
  }

  /**
   * The view's head, without waiting; null: it has to be brought up to date first. While following uses up its share of a processor, the head
   * may be an older one, which the next round replaces; otherwise it counts what the newest moment counts, as answers from other views do.
   */
  headNow(name: string): ViewHead | null {
    const view = this.#followedView(name)
    const head = view?.head ?? null
    if (head === null || head.moment === this.#moments.newest) return head
    return this.#answersMeanwhile(view!) && this.#rounds.isBusy ? head : null
  }

  /** The view, if it is brought up to date by every round; it stays so for a while. */
  #followedView(name: string): LiveView | null {
    const view = this.#views.get(name)
    if (view === undefined || !this.#moments.fresh || !this.#rounds.isHot(view)) return null
    view.askedAtMs = performance.now()
    return view
  }

  /** The view's states at the newest moment known, retained: release them. @throws SnapshotError, LakeError, NeedsBackfillError, PartialsCompactedError */
  async head(name: string): Promise<ViewHead> {
    const ready = this.headNow(name)
    if (ready !== null) return retained(ready)
    if (this.#followedView(name) === null) await this.#moments.refresh()
    this.#moments.assertKnown()
    const view = await this.#view(name)
    view.askedAtMs = performance.now()
    // From now on every round includes it.
    this.#wake?.()
    return this.#broughtUpToDate(view)
  }

  /**
   * The states of several views at one moment, retained: release them. Where their heads are of different moments, all of them are brought
   * to the newest one while nothing changes.
   * @throws as `head`
   */
  async heads(names: readonly string[]): Promise<ViewHead[]> {
    if (names.length === 1) return [await this.head(names[0]!)]
    const ready = names.map((name) => this.headNow(name))
    if (ready.every((head) => head !== null && head.moment === ready[0]!.moment))
      return (ready as ViewHead[]).map((head) => retained(head))
    if (names.some((name) => this.#followedView(name) === null)) await this.#moments.refresh()
    this.#moments.assertKnown()
    const views = await Promise.all(names.map((name) => this.#view(name)))
    for (const view of views) view.askedAtMs = performance.now()
    this.#wake?.()
    const heads = await this.#together(new Set(views), new Map())
    return views.map((view) => heads.get(view)!)
  }

  /** Takes the views' turns first, always in the order of their names, and then that of the moments. */
  async #together(
    left: ReadonlySet<LiveView>,
    turns: Map<LiveView, (now: Moment) => Promise<ViewHead>>,
  ): Promise<ReadonlyMap<LiveView, ViewHead>> {
    const [next, ...others] = [...left].toSorted((a, b) => (a.view.name < b.view.name ? -1 : 1))
    if (next !== undefined)
      return next.inTurn((follow) => this.#together(new Set(others), new Map([...turns, [next, follow]])))
    return this.#moments.whileStill(async (now) => {
      const heads = new Map<LiveView, ViewHead>()
      try {
        for (const [view, follow] of turns) heads.set(view, retained(await follow(now)))
      } catch (error) {
        for (const head of heads.values()) head.release()
        throw error
      }
      return heads
    })
  }

  /** Waits for other views' changes for a limited time only: queries of one view must not be held up by another. */
  async #broughtUpToDate(view: LiveView): Promise<ViewHead> {
    const { seq } = this.#moments.now()
    const began = performance.now()
    const newest = (async () => {
      const head = await view.follow()
      // One that was under way may have begun before.
      const own = head.moment.seq >= seq ? head : await view.follow()
      this.#rounds.usedSince(began)
      return own
    })()
    // Nobody may be left to hear of its error.
    newest.catch(() => {})
    if (!this.#answersMeanwhile(view)) return retained(await newest)
    const inTime = await endsWithin(newest, this.limits.followWaitMsMax)
    return retained(inTime || view.head === null ? await newest : view.head)
  }

  /** Whether queries may use the view's current head while it is being updated. */
  #answersMeanwhile({ head, isTallying }: LiveView): boolean {
    return head !== null && (isTallying || performance.now() - head.moment.atMs < this.limits.headAgeMsMax)
  }

  /** A query of the view would have been answered from a tally of these measures. @see LiveView.wantTally */
  wantTally(name: string, measures: readonly string[] | null, fromMs: number): void {
    this.#views.get(name)?.wantTally(measures, fromMs)
  }

  /** Makes the view's tally without waiting until enough queries need it. @throws as `head` */
  async tally(name: string, measures: readonly string[]): Promise<void> {
    const view = await this.#view(name)
    view.wantTally(measures, Number.POSITIVE_INFINITY, this.limits.tallyAfterAnswers)
    await view.follow()
  }

  /** Brings the view to a moment that is read after this call, because files of an earlier one are gone. @throws as `head` */
  async renew(name: string): Promise<void> {
    await this.#moments.refreshAnew()
    const view = await this.#view(name)
    await view.settle()
    view.checkAgain()
    await view.follow()
  }

  /** The newest moment. @throws what keeps it from being known */
  get moment(): Moment {
    return this.#moments.now()
  }

  /** Number of the newest moment; null before the first. */
  get seq(): number | null {
    return this.#moments.newest?.seq ?? null
  }

  /** Told of each live reader that comes (1) or leaves (-1): the more of them wait, the more may be spent on being up to date. */
  countReaders(change: 1 | -1): void {
    this.#rounds.countReaders(change)
  }

  /** Resolves when another moment, or a fault, is known, or the signal is aborted. */
  changed(signal: AbortSignal): Promise<void> {
    return this.#moments.changed(signal)
  }

  /** Per partition, the offset up to which the newest moment counts events; empty before the first. */
  get counted(): readonly Offset[] {
    return this.#moments.counted
  }

  /**
   * Waits until the view's head counts everything before the position.
   * @returns false if `signal` was aborted before. @throws as `head`
   */
  async reach(name: string, position: Positions, signal: AbortSignal): Promise<boolean> {
    const endWait = this.#moments.want(position)
    this.#waiting++
    this.#want?.()
    try {
      return await this.#reached(name, position, signal)
    } finally {
      this.#waiting--
      endWait()
    }
  }

  async #reached(name: string, position: Positions, signal: AbortSignal): Promise<boolean> {
    if (!this.#moments.fresh) await this.#moments.refresh()
    for (;;) {
      this.#moments.assertKnown()
      const view = await this.#view(name)
      const wasHot = this.#rounds.isHot(view)
      view.askedAtMs = performance.now()
      if (!wasHot) this.#wake?.()
      if (isReached(position, this.counted)) {
        const { moment } = await view.follow()
        // One that was under way may have begun before.
        if (isReached(position, countedAt(moment))) return true
      } else {
        if (signal.aborted || this.#stopping.signal.aborted) return false
        await this.#moments.changed(signal)
      }
    }
  }

  /** The newest moment, without any view. @throws SnapshotError, LakeError */
  async snapshot(): Promise<Snapshot> {
    if (!this.#moments.fresh) await this.#moments.refresh()
    this.#moments.assertKnown()
    const { snapshot } = this.#moments.now()
    return { ...snapshot, partitions: this.seen(snapshot) }
  }

  /** The log reaches at least to the ends of these ranges. */
  appended(ranges: readonly OffsetRange[]): void {
    this.#moments.appended(ranges)
    this.#hear?.()
  }

  /** The snapshot's positions, with their age and distance from the log's end as last read. */
  seen(snapshot: Snapshot): readonly PartitionPosition[] {
    return this.#moments.seen(snapshot)
  }

  /** Reads lake and log once, and brings the views that are queried up to date. Never throws: `head` throws the fault. */
  async refresh(): Promise<void> {
    await this.#moments.refresh()
    await this.#rounds.ended()
    await this.#rounds.follow()
  }

  async #run(): Promise<void> {
    let quietMs = this.limits.refreshPauseMs
    while (!this.#stopping.signal.aborted) {
      const began = performance.now()
      const changed = await this.#moments.refresh()
      const took = performance.now() - began
      // If every view waited for a refresh in its turn, a round would take many times as long.
      await endsWithin(this.#rounds.follow(), ROUND_WAIT_MS_MAX)
      const roundMs = performance.now() - began - took
      quietMs = changed ? this.limits.refreshPauseMs : Math.min(quietMs * QUIET_GROWTH, QUIET_PAUSE_MS_MAX)
      const leastMs = Math.max(this.limits.refreshPauseMs, this.#refreshPauseMs(took) - roundMs)
      const restingMs = Math.max(0, this.#restingMs() - leastMs)
      await this.#pause(leastMs)
      const restMs = this.#waiting === 0 ? restingMs : 0
      await this.#pause(restMs, 'wanted')
      await this.#pause(quietMs - leastMs - restMs, 'news')
    }
  }

  /**
   * A refresh that read all there was takes long when others want the processors: the next one is not put off by as much, because what it
   * reads is bounded by what arrives.
   */
  #refreshPauseMs(tookMs: number): number {
    const { refreshPauses, refreshPauseMsMax } = this.limits
    const atMostMs = this.#moments.isBehind ? Math.max(tookMs, refreshPauseMsMax) : refreshPauseMsMax
    return Math.min(tookMs * refreshPauses, atMostMs)
  }

  /** How long nothing that is read would be folded. */
  #restingMs(): number {
    const asked = [...this.#views.values()].some((view) => this.#rounds.isHot(view))
    return asked ? this.#rounds.usedUpMs() : idlePauseMs(this.limits, this.#moments.recordsPerSecond)
  }

  /** @param orUntil ends it: this process puts events into the log, or a question waits for a position */
  async #pause(ms: number, orUntil?: 'news' | 'wanted'): Promise<void> {
    if (this.#stopping.signal.aborted || ms <= 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    if (orUntil === 'news') this.#hear = resolve
    if (orUntil === 'wanted') this.#want = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
    this.#wake = null
    this.#hear = null
    this.#want = null
  }

  #view(name: string): Promise<LiveView> {
    const opening = this.#opening.get(name) ?? this.#openView(name)
    this.#opening.set(name, opening)
    opening.catch(() => this.#opening.delete(name))
    return opening
  }

  async #openView(name: string): Promise<LiveView> {
    const { dataset, lake, engine } = this.served
    const connection = await engine.connect()
    const parts = { connection, moments: this.#moments, lake, files: this.#moments.files, limits: this.limits }
    const view = new LiveView({ view: dataset.views.get(name)!, ...parts })
    this.#views.set(name, view)
    return view
  }
}

function retained(head: ViewHead): ViewHead {
  head.retain()
  return head
}
