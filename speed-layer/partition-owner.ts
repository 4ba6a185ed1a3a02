/**
 * The owner of one partition: the protocol of the design's section 4, step by step.
 *
 *  1. start at the end of the partition's last segment manifest: the lake decides;
 *  2. fold micro-batches into the open segment; every tick write absolute values, then the marker;
 *  3. close: files, then the manifest, which is the commit point. Of two owners one commits; the other drops its open
 *     segment and starts again behind the manifest that won;
 *  4. after a crash the open segment is replayed from its start.
 *
 * Nothing here assumes to be the only owner. A lost owner that goes on writes equal values under equal identities, or
 * values of a segment start that no reader asks for.
 */
import type { Offset } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { bytesHeld, type EventLog, LogDivergedError, LogRangeError } from '#storage/log/event-log.ts'
import { lastPrint } from '#storage/log/record-prints.ts'
import type { SpeedStore } from '#storage/speed-store/speed-store.ts'
import type { Emit } from '#telemetry/emit.ts'
import { commitGap } from './commit-gap.ts'
import type { Heartbeat } from './heartbeat.ts'
import type { OpenBudget } from './open-budget.ts'
import { OwnerAgreement } from './owner-agreement.ts'
import type { SegmentFold } from './segment-fold.ts'
import type { StreamLimits } from './stream-limits.ts'

export interface PartitionOwnerParts {
  readonly dataset: string
  readonly partition: number
  readonly log: EventLog
  readonly lake: Lake
  readonly store: SpeedStore
  readonly fold: SegmentFold
  readonly limits: StreamLimits
  readonly emit: Emit
  readonly step?: StepHook
  /** epoch ms, for what others read: markers and manifests. It may be set back or forward while we run */
  readonly clock?: () => number
  /** monotonic ms, for intervals: a clock that is set back must not delay a flush */
  readonly elapsed?: () => number
  /** of the owner before, which a fault ended: the age of a segment that is folded again goes on */
  readonly openSince?: OpenSince
  /** shared with the other owners of the process; default: none */
  readonly budget?: OpenBudget
  /** shared with the other owners of the worker; default: each partition tells by itself that its owner lives */
  readonly heartbeat?: Heartbeat
}

/** When the first record of the segment from `start` on was folded first, on the monotonic clock of this process. */
export interface OpenSince {
  start: Offset
  atMs: number
}

/** a flush is slow when it takes more than this part of the time between two */
const SLOW_FLUSHES = 4
/** an owner is behind when it was busy, while records came, for longer than between so many flushes */
const BEHIND_FLUSHES = 2
/** how often at the most an owner that keeps up with the log reads it between two flushes */
const READS_PER_FLUSH = 2
/** it reads less often while fewer records than these would come */
export const GATHERED_RECORDS = 5_000
/** where segments that close together share files, they close by their age so many times while one of them may be open, at the same moments in all partitions */
const CLOSES_PER_AGE = 4

export class PartitionOwner {
  readonly #parts: PartitionOwnerParts
  readonly #agreement: OwnerAgreement
  readonly #step: StepHook
  readonly #clock: () => number
  readonly #elapsed: () => number
  readonly #openSince: OpenSince
  /** monotonic, like all that is compared with it */
  #flushedAtMs = 0
  #flushedThrough = -1
  #flushMs = 0
  #behind = false
  /** when records were read last, and how many came since the time before */
  #readAtMs = 0
  #recordsPerMs = 0
  /** since the last read: how long folding, flushing and landing took */
  #busyMs = 0
  /** offsets of the open segment that have no record */
  #holes = 0
  /** of the open segment */
  #last: RecordPrint | null = null

  constructor(parts: PartitionOwnerParts) {
    this.#parts = parts
    this.#agreement = new OwnerAgreement(parts)
    this.#step = parts.step ?? noSteps
    this.#clock = parts.clock ?? Date.now
    this.#elapsed = parts.elapsed ?? (() => performance.now())
    this.#openSince = parts.openSince ?? { start: -1, atMs: 0 }
  }

  /** first offset not folded yet */
  get position(): Offset {
    return this.#parts.fold.end
  }

  get openStart(): Offset {
    return this.#parts.fold.start
  }

  /** Begins at the end of the last manifest; records a gap where the log no longer holds what follows. @throws LogReplacedError, LogLossError, LakeCutError */
  async open(): Promise<void> {
    const { dataset, lake, log, emit } = this.#parts
    for (;;) {
      const { start, gap } = await this.#agreement.opening()
      if (gap === null) return this.#begin(start)
      await commitGap({ dataset, lake, logIdentity: log.identity, emit }, gap, this.#clock())
    }
  }

  /** Reads and folds one micro-batch. Returns false when the log has nothing more for now. @throws LogCutError, LogLossError when the log ends before that */
  async fill(): Promise<boolean> {
    const { fold, log, limits, partition, budget } = this.#parts
    const room = limits.segmentRecordsMax - fold.records
    if (room <= 0 || budget?.full) return false
    try {
      const bytesMax = Math.min(limits.batchBytesMax, budget?.readBytesMax ?? limits.batchBytesMax)
      const batch = await log.read(partition, fold.end, {
        bytesMax,
        recordsMax: Math.min(limits.batchRecordsMax, room),
        reused: true,
      })
      const wasBusy = this.#busyMs > BEHIND_FLUSHES * limits.flushEveryMs
      this.#busyMs = 0
      this.#behind =
        batch !== null && (wasBusy || batch.count >= limits.batchRecordsMax || bytesHeld(batch) >= bytesMax / 2)
      if (batch === null) return false
      const readAtMs = this.#elapsed()
      this.#recordsPerMs = batch.count / Math.max(1, readAtMs - this.#readAtMs)
      this.#readAtMs = readAtMs
      if (this.#openSince.start !== fold.start)
        Object.assign(this.#openSince, { start: fold.start, atMs: this.#elapsed() })
      // Before the fold, which may overwrite the batch's bytes.
      const last = lastPrint(batch)
      const began = this.#elapsed()
      await fold.append(batch)
      this.#busyMs += this.#elapsed() - began
      this.#last = last ?? this.#last
      budget?.hold(this, fold.bytes)
      this.#holes += batch.end - batch.start - batch.count
      return true
    } catch (error) {
      if (error instanceof LogDivergedError) throw await this.#agreement.divergedFault(error.at, fold)
      if (!(error instanceof LogRangeError)) throw error
      if (error.wanted > error.range.end) {
        const folded = { segmentStart: fold.start, through: fold.end }
        throw (await this.#agreement.cutFault(error.range, folded)) ?? error
      }
      // Retention overtook us: keep what was read, then let open() find the gap.
      if (fold.end > fold.start) await this.close()
      await this.open()
      return true
    }
  }

  /**
   * Writes the touched keys' absolute values, then the marker. Also when nothing changed: the marker's time says that its worker lives.
   * @throws LogCutError before the first one
   */
  async flush(): Promise<void> {
    const { fold, store, emit, dataset, partition, heartbeat } = this.#parts
    heartbeat?.beat()
    await this.#agreement.assertLogHolds()
    const began = this.#elapsed()
    const { partials, marker } = await fold.dirty(this.#clock())
    await store.flush(partials, { ...marker, ...this.#counted })
    fold.settle(marker.through)
    this.#flushedAtMs = began
    this.#flushMs = this.#elapsed() - began
    this.#busyMs += this.#flushMs
    if (marker.through !== this.#flushedThrough && partials.length > 0) {
      emit({
        name: 'flush-written',
        level: 'debug',
        dataset,
        message: `partition ${partition}: ${partials.length} partials through offset ${marker.through}`,
        fields: { partition, partials: partials.length, through: marker.through, flushMs: Math.round(this.#flushMs) },
      })
    }
    this.#flushedThrough = marker.through
  }

  /** The last micro-batch was full, or had waited while we were busy: the log holds more already. */
  get behind(): boolean {
    return this.#behind
  }

  get flushDue(): boolean {
    return this.flushDueInMs <= 0
  }

  /**
   * While far behind the log, flushes are rarer: what they would show is about to be overtaken, and the time goes into catching
   * up. Slow flushes are rarer, too, so that most of the time is left for what comes in. Without news only the marker's time is written,
   * and where no segment is open either, by one partition for the whole worker.
   */
  get flushDueInMs(): number {
    const { fold, limits, heartbeat } = this.#parts
    const { flushEveryMs, markerEveryMs } = limits
    if (this.position !== this.#flushedThrough) return this.#newsDueInMs
    if (heartbeat !== undefined && fold.end === fold.start) return heartbeat.dueInMs(markerEveryMs)
    return this.#dueInMs(Math.max(markerEveryMs, flushEveryMs))
  }

  /**
   * When to read on at the latest, for an owner that keeps up. Folded records become visible with the next flush, and a small micro-batch
   * costs nearly as much as a large one, so records that arrive slowly are read together.
   */
  get readDueInMs(): number {
    const { flushEveryMs } = this.#parts.limits
    const gatheredMs = GATHERED_RECORDS / this.#recordsPerMs
    const pauseMs = Math.max(flushEveryMs / READS_PER_FLUSH, gatheredMs)
    const readDueInMs = pauseMs - (this.#elapsed() - this.#readAtMs)
    return Math.max(0, Math.min(readDueInMs, this.#newsDueInMs, this.closeDueInMs))
  }

  /** When records that come now have to be flushed. */
  get #newsDueInMs(): number {
    const { flushEveryMs, flushBehindEveryMs } = this.#parts.limits
    return this.#dueInMs(this.#behind ? flushBehindEveryMs : flushEveryMs)
  }

  #dueInMs(everyMs: number): number {
    const { flushPauses, flushPauseMsMax } = this.#parts.limits
    const pausesMs = Math.min(flushPauses * this.#flushMs, flushPauseMsMax)
    return Math.max(everyMs, pausesMs) - (this.#elapsed() - this.#flushedAtMs)
  }

  /** The open segment reached its size, row or age limit, or is so large that landing it is better than flushing it. */
  get closeDue(): boolean {
    const { fold, limits, budget } = this.#parts
    if (fold.end === fold.start) return false
    return (
      budget?.mustClose(this) ||
      fold.records >= limits.segmentRecordsMax ||
      fold.bytes >= limits.segmentBytesMax ||
      this.#elapsed() >= this.#agesAtMs ||
      (fold.records >= limits.slowSegmentRecordsMin && this.#landsInsteadOfFlushing)
    )
  }

  /** When the open segment closes by its age; an empty one never does. */
  get closeDueInMs(): number {
    const { fold } = this.#parts
    if (fold.end === fold.start) return Number.POSITIVE_INFINITY
    return this.#agesAtMs - this.#elapsed()
  }

  /** When the open segment reaches its age limit, or the last of the common moments before that. */
  get #agesAtMs(): number {
    const { lake, limits } = this.#parts
    const atMs = this.#openSince.atMs + limits.segmentAgeMsMax
    if (!lake.sharesFiles) return atMs
    const everyMs = limits.segmentAgeMsMax / CLOSES_PER_AGE
    return Math.floor(atMs / everyMs) * everyMs
  }

  /** A flush took long, or a large one is due: landing costs as much, and need not be done again. */
  get #landsInsteadOfFlushing(): boolean {
    const { fold, limits } = this.#parts
    if (this.#flushMs > limits.flushEveryMs / SLOW_FLUSHES) return true
    const unflushed = fold.end - Math.max(fold.start, this.#flushedThrough)
    return this.flushDue && (this.#behind || unflushed >= limits.slowSegmentRecordsMin)
  }

  /**
   * Lands the open segment and commits its manifest; begins the next one behind the manifest that won, ours or not.
   * @throws LogCutError before the first one
   */
  async close(): Promise<SegmentManifest | null> {
    const { fold, emit, dataset, partition } = this.#parts
    if (fold.end === fold.start) return null
    await this.#agreement.assertLogHoldsIfKnown()
    const began = this.#elapsed()
    const landed = await fold.land(this.#clock())
    const manifest = { ...landed, ...(this.#holes > 0 ? { holes: this.#holes } : {}), ...this.#counted }
    await this.#step('segment:files-linked')
    const commit = await this.#parts.lake.commitSegment(manifest)
    if (commit.outcome === 'lost') {
      emit({
        name: 'segment-lost',
        level: 'warn',
        dataset,
        message: `partition ${partition}: another owner closed the segment from offset ${manifest.start} first, up to offset ${commit.winner.end}; continuing from there`,
        fields: { partition, start: manifest.start, winnerEnd: commit.winner.end },
      })
      await this.open()
      return null
    }
    emit({
      name: 'segment-closed',
      level: 'info',
      dataset,
      message: `partition ${partition}: segment [${manifest.start}, ${manifest.end}) closed with ${manifest.rows} rows and ${manifest.deadLetters} dead letters`,
      fields: {
        partition,
        start: manifest.start,
        end: manifest.end,
        rows: manifest.rows,
        deadLetters: manifest.deadLetters,
        lateRows: manifest.late.rows,
        closeMs: Math.round(this.#elapsed() - began),
      },
    })
    this.#busyMs += this.#elapsed() - began
    await this.#begin(manifest.end, began)
    return manifest
  }

  /** Reads and holds nothing any more: its partition was given up, or its run ended. */
  giveUp(): void {
    this.#parts.budget?.release(this)
  }

  get #counted(): { readonly last?: RecordPrint } {
    return this.#last === null ? {} : { last: this.#last }
  }

  /** @param shownAtMs when what was read by then was last flushed or began to be landed: the next flush is due after that */
  async #begin(start: Offset, shownAtMs = this.#elapsed()): Promise<void> {
    const { fold, budget } = this.#parts
    await fold.begin(start)
    budget?.hold(this, fold.bytes)
    this.#holes = 0
    this.#last = null
    this.#flushedAtMs = shownAtMs
    this.#flushedThrough = -1
    this.#flushMs = 0
  }
}
