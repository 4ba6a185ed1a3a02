/**
 * The resident side of one dataset in a serving process: it follows the lake and the log's tail, and keeps the states of the views
 * that are asked for as tables of the engine, each always of one moment. Changes are made one after the other; answers read beside
 * them and never wait for one.
 *
 * What a moment counts is decided by offsets: the generation up to its boundary, closed segments from there to the end of the chain,
 * and the log from that end to where the tail was read.
 */
import pLimit from 'p-limit'
import { isReached } from '#core/log-position.ts'
import type { Offset, OffsetRange, Positions } from '#core/offsets.ts'
import type { EngineConnection } from '#storage/engine/duckdb-engine.ts'
import { type GenerationManifest, generationFiles } from '#storage/lake/generation-manifest.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { type PartitionPosition, type ServedDataset, type Snapshot, SnapshotError } from '../answers/snapshot.ts'
import { FileTables } from './file-tables.ts'
import { LakeLook, type LakeState } from './lake-look.ts'
import { DEFAULT_LIVE_LIMITS, type LiveLimits } from './live-limits.ts'
import { LiveView, type Moment, type ViewHead } from './live-view.ts'
import { LogTail, type TailCounts, type TailPlace } from './log-tail.ts'
import { TailTable } from './tail-rows.ts'
import { WorkShare } from './work-share.ts'

export interface LiveDatasetParts extends Omit<ServedDataset, 'store' | 'log'> {
  readonly store: Pick<SpeedStore, 'markers'>
  readonly log: Pick<EventLog, 'range' | 'read' | 'identity'>
  /** a folder that the engine may read */
  readonly scratchFolder: string
  readonly limits?: Partial<LiveLimits>
  readonly clock?: () => number
}

/** a head is given without another look when the last refresh ended at most this long ago: far longer than one takes */
const FRESH_MS = 5_000
/** where much arrives and less than so much of the share for following is saved up, queries do not wait for their view … */
const SPARED_MS = 100
/** … that was brought up to date at most so long ago */
const HEAD_AGE_MS_MAX = 5_000
/** views are brought up to date this often, however long it takes */
const FOLLOW_PAUSE_MS_MAX = 1_000
/** the pause after refreshes that found nothing grows by this factor, up to the maximum */
const QUIET_GROWTH = 1.5
const QUIET_PAUSE_MS_MAX = 60

export class LiveDataset {
  readonly served: LiveDatasetParts
  readonly #parts: LiveDatasetParts
  readonly limits: LiveLimits
  readonly #lake: LakeLook
  readonly #oneChange = pLimit(1)
  readonly #views = new Map<string, LiveView>()
  readonly #opening = new Map<string, Promise<LiveView>>()
  readonly #stopping = new AbortController()
  #connection: EngineConnection | null = null
  #fileConnection: EngineConnection | null = null
  #tail: LogTail | null = null
  #rows: TailTable | null = null
  #files: FileTables | null = null
  #state: LakeState | null = null
  #moment: Moment | null = null
  #seq = 0
  /** partition → the log's end after what this process put into it */
  readonly #appended = new Map<number, Offset>()
  /** of the tail: another one begins anew */
  #epoch = 0
  #fault: unknown = null
  #refreshedAtMs = Number.NEGATIVE_INFINITY
  #loop: Promise<void> | null = null
  /** views that are being brought up to date together */
  #round: Promise<void> | null = null
  readonly #followed: WorkShare
  #refreshing: Promise<boolean> | null = null
  #wake: (() => void) | null = null
  /** settled when another moment, or a fault, is known */
  #news = Promise.withResolvers<void>()

  constructor(parts: LiveDatasetParts) {
    this.served = parts
    this.#parts = parts
    this.limits = { ...DEFAULT_LIVE_LIMITS, ...parts.limits }
    this.#followed = new WorkShare(() => this.#followShare(), FOLLOW_PAUSE_MS_MAX)
    this.#lake = new LakeLook(parts)
  }

  /** Begins to follow lake and log. */
  start(): void {
    this.#loop ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#wake?.()
    this.#announce()
    await this.#loop
    for (const view of this.#views.values()) await view.close()
    await this.#oneChange(() => {
      this.#fileConnection?.close()
      this.#connection?.close()
    })
  }

  /** Whether the newest refresh succeeded, and not too long ago: then heads may be given as they are. */
  get fresh(): boolean {
    return this.#fault === null && performance.now() - this.#refreshedAtMs < FRESH_MS
  }

  /** Whether the view is brought up to date all the time, because it is asked for, and nothing keeps it from being. */
  isFollowed(name: string): boolean {
    const view = this.#views.get(name)
    if (view === undefined || !this.fresh || !this.#isHot(view)) return false
    view.askedAtMs = performance.now()
    return view.head !== null
  }

  /**
   * The view's head, without waiting; null: it has to be brought up to date first. Where much arrives and following takes its share of
   * a processor, a view is given as it is; otherwise it counts what the newest moment counts, as answers from other views do.
   */
  headNow(name: string): ViewHead | null {
    const view = this.#views.get(name)
    if (view === undefined || !this.fresh || !this.#isHot(view)) return null
    view.askedAtMs = performance.now()
    const { head } = view
    if (head === null || head.moment === this.#moment) return head
    return isRecent(head) && this.#isBusy ? head : null
  }

  /** Whether more arrives than views can follow at once within their share. */
  get #isBusy(): boolean {
    const arrives = (this.#tail?.recordsPerSecond ?? 0) >= this.limits.followShareMaxAt
    return arrives && this.#followed.savedUpMs(performance.now()) < SPARED_MS
  }

  /** The view's states at the newest moment known, retained: release them. @throws SnapshotError, LakeError, NeedsBackfillError, PartialsCompactedError */
  async head(name: string): Promise<ViewHead> {
    const ready = this.headNow(name)
    if (ready !== null) return retained(ready)
    const known = this.#views.get(name)
    if (known === undefined || !this.fresh || !this.#isHot(known)) await this.#refreshed()
    if (this.#fault !== null) throw this.#fault
    const view = await this.#view(name)
    view.askedAtMs = performance.now()
    // From now on it follows every refresh, however long it was left alone before.
    this.#wake?.()
    return this.#broughtUpToDate(view)
  }

  /** What is being brought up to date by others, or behind them, is waited for a while only: queries of one view must not wait for another. */
  async #broughtUpToDate(view: LiveView): Promise<ViewHead> {
    const { seq } = this.#now()
    const began = performance.now()
    const newest = (async () => {
      const head = await view.follow()
      // One that was under way may have begun before.
      const own = head.moment.seq >= seq ? head : await view.follow()
      // In a round it is counted with the others.
      if (this.#round === null) this.#followed.use(performance.now() - began, performance.now())
      return own
    })()
    const over = Promise.withResolvers<null>()
    const timer = setTimeout(() => over.resolve(null), this.limits.followWaitMsMax)
    try {
      if (view.head === null || !isRecent(view.head)) return retained(await newest)
      const head = (await Promise.race([newest, over.promise])) ?? view.head
      return retained(head ?? (await newest))
    } finally {
      clearTimeout(timer)
      newest.catch(() => {})
    }
  }

  /** Brings the view to a moment that is looked at from now on: files that it read are gone. @throws as `head` */
  async renew(name: string): Promise<void> {
    // What is under way may have begun before they went.
    await this.#refreshing
    await this.#refreshed()
    const view = await this.#view(name)
    await view.settle()
    await view.follow()
  }

  /** Per partition, the offset up to which the newest moment counts events; empty before the first. */
  get counted(): readonly Offset[] {
    return countedAt(this.#moment)
  }

  /**
   * Waits until the view's head counts everything before the position.
   * @returns false if `signal` was aborted before. @throws as `head`
   */
  async reach(name: string, position: Positions, signal: AbortSignal): Promise<boolean> {
    if (!this.fresh) await this.#refreshed()
    for (;;) {
      if (this.#fault !== null) throw this.#fault
      const view = await this.#view(name)
      const wasHot = this.#isHot(view)
      view.askedAtMs = performance.now()
      if (!wasHot) this.#wake?.()
      if (isReached(position, this.counted)) {
        const { moment } = await view.follow()
        // One that was under way may have begun before.
        if (isReached(position, countedAt(moment))) return true
      } else {
        if (signal.aborted || this.#stopping.signal.aborted) return false
        await this.#newsOr(signal)
      }
    }
  }

  async #newsOr(signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>()
    const end = (): void => over.resolve()
    signal.addEventListener('abort', end, { once: true })
    await Promise.race([this.#news.promise, over.promise])
    signal.removeEventListener('abort', end)
  }

  #announce(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  /** The newest moment, without any view. @throws SnapshotError, LakeError */
  async snapshot(): Promise<Snapshot> {
    if (!this.fresh) await this.#refreshed()
    if (this.#fault !== null) throw this.#fault
    const { snapshot } = this.#moment!
    return { ...snapshot, partitions: this.seen(snapshot) }
  }

  /** The log reaches at least to the ends of these ranges. */
  appended(ranges: readonly OffsetRange[]): void {
    for (const { partition, end } of ranges)
      this.#appended.set(partition, Math.max(end, this.#appended.get(partition) ?? 0))
  }

  /** Positions as they were last seen: what a head does not count yet, it says by them. */
  seen(snapshot: Snapshot): readonly PartitionPosition[] {
    const places = new Map((this.#tail?.places() ?? []).map((place) => [place.partition, place]))
    return snapshot.partitions.map((partition) => {
      const place = places.get(partition.partition)
      if (place === undefined) return partition
      return {
        ...partition,
        asOfMs: place.end === partition.position ? place.asOfMs : partition.asOfMs,
        behind:
          place.logEnd === null ? null : Math.max(0, this.#logEnd(place.logEnd, place.partition) - partition.position),
      }
    })
  }

  #logEnd(seen: Offset, partition: number): Offset {
    return Math.max(seen, this.#appended.get(partition) ?? 0)
  }

  /** Looks at lake and log once, and brings the views that are asked for up to date. Never throws: a fault is what heads throw. */
  async refresh(): Promise<void> {
    await this.#refreshed()
    await this.#round
    await this.#followViews()
  }

  /** Looks at lake and log once; who calls it meanwhile joins it. @returns whether something changed */
  #refreshed(): Promise<boolean> {
    this.#refreshing ??= this.#refreshOnce().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  #refreshOnce(): Promise<boolean> {
    return this.#oneChange(async () => {
      try {
        const changed = await this.#follow(await this.#lake.look())
        this.#fault = null
        if (changed) this.#announce()
        return changed
      } catch (error) {
        this.#fault = error
        this.#announce()
        return false
      } finally {
        this.#refreshedAtMs = performance.now()
      }
    })
  }

  async #run(): Promise<void> {
    let quietMs = this.limits.refreshPauseMs
    while (!this.#stopping.signal.aborted) {
      const began = performance.now()
      const changed = await this.#refreshed()
      void this.#followViews()
      const took = performance.now() - began
      quietMs = changed ? this.limits.refreshPauseMs : Math.min(quietMs * QUIET_GROWTH, QUIET_PAUSE_MS_MAX)
      const share = Math.min(took * this.limits.refreshPauses, Math.max(took, this.limits.refreshPauseMsMax))
      const pause = Math.max(quietMs, share)
      await this.#pause(Math.max(pause, this.#restingMs()))
    }
  }

  /** For so long nothing that is read would be folded. */
  #restingMs(): number {
    const asked = [...this.#views.values()].some((view) => this.#isHot(view))
    return asked ? this.#followed.usedUpMs(performance.now()) : this.limits.idleRefreshMs
  }

  async #pause(ms: number): Promise<void> {
    if (this.#stopping.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, ms)
    await promise
    clearTimeout(timer)
    this.#wake = null
  }

  async #follow(state: LakeState): Promise<boolean> {
    const { tail, rows } = await this.#opened()
    try {
      await tail.follow(state.ends)
      const read = await tail.advance()
      const changed = read || state !== this.#state || this.#moment === null
      if (changed) this.#moment = this.#momentOf(state, tail, rows)
      this.#state = state
      return changed
    } catch (error) {
      // What is half done must not be counted: the tail is read again from the end of the lake.
      await this.#reset()
      throw error
    }
  }

  async #opened(): Promise<{ readonly tail: LogTail; readonly rows: TailTable }> {
    const { dataset, engine, log, lake, scratchFolder, clock } = this.#parts
    this.#connection ??= await engine.connect()
    const connection = this.#connection
    // Of its own: what is made on the tail's connection while a decode is undone would be undone with it.
    this.#fileConnection ??= await engine.connect()
    this.#files ??= new FileTables(this.#fileConnection, lake, this.limits.generationFileBytesMax)
    this.#rows ??= new TailTable({ dataset, connection, scratchFolder })
    this.#tail ??= new LogTail(log, this.#rows, this.limits, clock)
    return { tail: this.#tail, rows: this.#rows }
  }

  async #reset(): Promise<void> {
    const rows = this.#rows
    this.#rows = null
    this.#tail = null
    this.#moment = null
    this.#epoch++
    await rows?.remove().catch(() => {})
  }

  /** Brings views up to date: those that are asked for, and others where little is left to do. Who calls it meanwhile joins it. */
  #followViews(): Promise<void> {
    if (this.#fault !== null || this.#moment === null) return Promise.resolve()
    const { generation } = this.#moment.snapshot
    this.#files!.keep(generation === null ? [] : generationFiles(generation))
    this.#round ??= this.#followEach().finally(() => {
      this.#round = null
    })
    return this.#round
  }

  /** The more arrives, the more it is worth: what a round costs for few records, it costs for many. */
  #followShare(): number {
    const { followShareMin, followShareMax, followShareMaxAt } = this.limits
    const busy = Math.min(1, (this.#tail?.recordsPerSecond ?? 0) / followShareMaxAt)
    return followShareMin + (followShareMax - followShareMin) * busy
  }

  async #followEach(): Promise<void> {
    const began = performance.now()
    if (this.#followed.isUsedUp(began)) return
    // One after the other: queries need the processors, too. What is wrong with one view is said to whoever asks for it.
    for (const name of this.#parts.dataset.views.keys()) await this.#followView(name).catch(() => {})
    const endedMs = performance.now()
    this.#followed.use(endedMs - began, endedMs)
  }

  async #followView(name: string): Promise<void> {
    const view = await this.#view(name)
    const began = performance.now()
    const { coldRecordsMax, coldEveryMs, coldPauses } = this.limits
    const isHot = this.#isHot(view)
    if (!isHot && began < view.dueAtMs) return
    // What would take long is done when somebody asks, and until then nothing is kept.
    if (!isHot && view.behind > coldRecordsMax) return view.drop()
    try {
      await view.follow()
    } catch {
      await view.drop()
    } finally {
      const endedMs = performance.now()
      view.dueAtMs = endedMs + Math.max(coldEveryMs, coldPauses * (endedMs - began))
    }
  }

  #isHot(view: LiveView): boolean {
    return performance.now() - view.askedAtMs < this.limits.hotMs
  }

  #view(name: string): Promise<LiveView> {
    const opening = this.#opening.get(name) ?? this.#openView(name)
    this.#opening.set(name, opening)
    opening.catch(() => this.#opening.delete(name))
    return opening
  }

  async #openView(name: string): Promise<LiveView> {
    const { dataset, lake, engine } = this.#parts
    const connection = await engine.connect()
    const moments = {
      now: () => this.#now(),
      whileStill: <T>(work: (now: Moment) => Promise<T> | T) => this.#oneChange(() => work(this.#now())),
    }
    const parts = { connection, moments, lake, files: this.#files!, limits: this.limits }
    const view = new LiveView({ view: dataset.views.get(name)!, ...parts })
    this.#views.set(name, view)
    return view
  }

  /** @throws what keeps it from being known */
  #now(): Moment {
    if (this.#moment !== null) return this.#moment
    throw this.#fault ?? new SnapshotError(this.#parts.dataset.name, 'what is counted is not known yet')
  }

  #momentOf({ generation, segments, gaps, chains }: LakeState, tail: LogTail, rows: TailTable): Moment {
    const places = tail.places()
    const of = new Map(places.map((place) => [place.partition, place]))
    const hashes = [...this.#parts.dataset.views.values()].map(({ hash }) => hash)
    const open = places.filter(({ start, end }) => end > start)
    const snapshot: Snapshot = {
      generation,
      segments,
      gaps,
      markers: new Map(open.map((place) => [place.partition, markerOf(place, rows.counts(place.partition), hashes)])),
      open: new Map(),
      partitions: chains.map(({ partition, end }) => positionOf(of.get(partition)!, generation, end)),
    }
    return { seq: ++this.#seq, atMs: performance.now(), epoch: this.#epoch, snapshot, places, tail: rows.table }
  }
}

function countedAt(moment: Moment | null): readonly Offset[] {
  return moment === null ? [] : moment.snapshot.partitions.map(({ position }) => position)
}

function isRecent({ moment }: ViewHead): boolean {
  return performance.now() - moment.atMs < HEAD_AGE_MS_MAX
}

function retained(head: ViewHead): ViewHead {
  head.retain()
  return head
}

function positionOf(place: TailPlace, generation: GenerationManifest | null, closedEnd: Offset): PartitionPosition {
  const { partition, end, asOfMs, logEnd } = place
  const boundary = generation?.boundary[partition] ?? 0
  const behind = logEnd === null ? null : logEnd - end
  return { partition, boundary, closedEnd, position: end, asOfMs, ahead: null, behind }
}

/** What an owner of these records would say of them. */
function markerOf(place: TailPlace, counts: TailCounts, views: readonly string[]): Marker {
  const { partition, start, end, asOfMs } = place
  return { partition, segmentStart: start, through: end, atMs: asOfMs ?? 0, views, ...counts, timeMaxMs: null }
}
