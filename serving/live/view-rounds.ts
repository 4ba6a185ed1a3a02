/**
 * Rounds in which the views of a dataset are brought up to date: those that are queried, and others where little is left to do. What they take
 * is kept within a share of a processor.
 */
import { generationFiles } from '#storage/lake/generation-manifest.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { DatasetMoments } from './dataset-moments.ts'
import type { LiveLimits } from './live-limits.ts'
import type { LiveView } from './live-view.ts'
import { WorkShare } from './work-share.ts'

/** with less than this saved up, queries do not wait for a view that was brought up to date a short time ago */
const SPARED_MS = 100

export interface ViewRoundsParts {
  readonly moments: DatasetMoments
  readonly limits: LiveLimits
  /** of the views, in the order in which they take turns */
  readonly names: Iterable<string>
  readonly view: (name: string) => Promise<LiveView>
}

export class ViewRounds {
  readonly #parts: ViewRoundsParts
  readonly #followed: WorkShare
  #round: Promise<void> | null = null
  #beganMs = 0
  /** the generation whose files are kept as tables */
  #kept: Snapshot['generation'] | undefined
  #liveReaders = 0

  constructor(parts: ViewRoundsParts) {
    this.#parts = parts
    this.#followed = new WorkShare(() => this.#share(), parts.limits.followPauseMsMax)
  }

  /** Told of each live reader that comes (1) or leaves (-1): the more of them wait, the more may be spent on being up to date. */
  countReaders(change: 1 | -1): void {
    this.#liveReaders += change
  }

  /** Waits for the round that is under way. */
  async ended(): Promise<void> {
    await this.#round
  }

  /** Brings views up to date. Concurrent calls share one round. */
  follow(): Promise<void> {
    const { newest, failed, files } = this.#parts.moments
    if (failed || newest === null) return Promise.resolve()
    const { generation } = newest.snapshot
    if (generation !== this.#kept) files.keep(generation === null ? [] : generationFiles(generation))
    this.#kept = generation
    this.#round ??= this.#followEach().finally(() => {
      this.#round = null
    })
    return this.#round
  }

  /** Whether more arrives than the views that are asked for can follow at once within their share. */
  get isBusy(): boolean {
    const nowMs = performance.now()
    // The share is charged when a round ends. Until then it looks unused, so a long round counts as having used it up.
    const sinceMs = this.#round === null ? 0 : nowMs - this.#beganMs
    return sinceMs > this.#parts.limits.followWaitMsMax || this.#followed.savedUpMs(nowMs) < SPARED_MS
  }

  /** @returns how long the share is used up, ms */
  usedUpMs(): number {
    return this.#followed.usedUpMs(performance.now())
  }

  /** Charges the share with what a query has done since then, unless a round did it, which is charged as a whole. @param beganMs monotonic */
  usedSince(beganMs: number): void {
    const nowMs = performance.now()
    if (this.#round === null) this.#followed.use(nowMs - beganMs, nowMs)
  }

  /** Whether the view was queried a short time ago, so that every round includes it. */
  isHot({ askedAtMs }: LiveView): boolean {
    return performance.now() - askedAtMs < this.#parts.limits.hotMs
  }

  /** Grows with the rate of events and with live readers: a round costs nearly the same for few of either as for many. */
  #share(): number {
    const { moments, limits } = this.#parts
    const { followShareMin, followShareMax, followShareMaxAt, followShareMaxReaders } = limits
    const byRate = moments.recordsPerSecond / followShareMaxAt
    const busy = Math.min(1, Math.max(byRate, this.#liveReaders / followShareMaxReaders))
    return followShareMin + (followShareMax - followShareMin) * busy
  }

  async #followEach(): Promise<void> {
    const began = performance.now()
    if (this.#followed.isUsedUp(began)) return
    this.#beganMs = began
    // One after the other: queries need the processors, too. A view's error is reported to its queries.
    for (const name of this.#parts.names) await this.#followView(name).catch(() => {})
    const endedMs = performance.now()
    this.#followed.use(endedMs - began, endedMs)
  }

  async #followView(name: string): Promise<void> {
    const view = await this.#parts.view(name)
    const began = performance.now()
    const { coldRecordsMax, coldEveryMs, coldPauses, restAfterMs, restRecordsMax } = this.#parts.limits
    const isHot = this.isHot(view)
    if (!isHot && began < view.dueAtMs) return
    const rests = !isHot && began - view.askedAtMs >= restAfterMs && view.open <= restRecordsMax
    // One that rested has all of the tail left.
    const leftMax = coldRecordsMax + (view.head === null ? restRecordsMax : 0)
    // What would take long is left to the next query, and until then nothing is kept.
    if (!isHot && view.behind > leftMax) return view.drop()
    try {
      await (rests ? view.rest() : view.follow())
    } catch {
      await view.drop()
    } finally {
      const endedMs = performance.now()
      view.dueAtMs = endedMs + Math.max(coldEveryMs, coldPauses * (endedMs - began))
    }
  }
}
