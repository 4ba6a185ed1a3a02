/**
 * The moments of one dataset in a serving process: what the lake holds, and what was read of the log's tail behind it. Refreshes are made
 * one after the other, and each that finds a change makes a new moment.
 *
 * What a moment counts is decided by offsets: the generation up to its boundary, closed segments from there to the end of the chain,
 * and the log from that end to where the tail was read.
 */
import pLimit from 'p-limit'
import type { Offset, OffsetRange, Positions } from '#core/offsets.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { Marker, SpeedStore } from '#storage/speed-store/speed-store.ts'
import { type PartitionPosition, type ServedDataset, type Snapshot, SnapshotError } from '../answers/snapshot.ts'
import { FileTables } from './file-tables.ts'
import { LakeLook, type LakeState } from './lake-look.ts'
import { LargeTables } from './large-tables.ts'
import { LeftToSegments } from './left-to-segments.ts'
import type { LiveLimits } from './live-limits.ts'
import type { Moments } from './live-view.ts'
import { LogTail, type TailCounts, type TailPlace } from './log-tail.ts'
import { TailTable } from './tail-rows.ts'
import type { Moment } from './view-head.ts'

export interface LiveDatasetParts extends Omit<ServedDataset, 'store' | 'log'> {
  readonly store: Pick<SpeedStore, 'markers'>
  readonly log: Pick<EventLog, 'range' | 'read' | 'ends' | 'identity'>
  /** a folder that the engine may read */
  readonly scratchFolder: string
  readonly limits?: Partial<LiveLimits>
  readonly clock?: () => number
}

/** the newest moment is used without another refresh when the last one ended at most this long ago: far longer than one takes */
const FRESH_MS = 5_000

const LOG_UNREADABLE = 'the log cannot be read, or ends before what is counted'

export class DatasetMoments implements Moments {
  readonly #parts: LiveDatasetParts
  readonly #limits: LiveLimits
  readonly #lake: LakeLook
  readonly #left: LeftToSegments
  readonly #oneChange = pLimit(1)
  #connection: EngineConnection | null = null
  #fileConnection: EngineConnection | null = null
  #tail: LogTail | null = null
  #rows: TailTable | null = null
  #files: FileTables | null = null
  #state: LakeState | null = null
  #newest: Moment | null = null
  #seq = 0
  /** partition → the log's end after what this process put into it */
  readonly #appended = new Map<number, Offset>()
  /** of the tail: another one begins anew */
  #epoch = 0
  #fault: unknown = null
  #refreshedAtMs = Number.NEGATIVE_INFINITY
  #refreshing: Promise<boolean> | null = null
  /** settled when another moment, or a fault, is known */
  #news = Promise.withResolvers<void>()

  constructor(parts: LiveDatasetParts, limits: LiveLimits) {
    this.#parts = parts
    this.#limits = limits
    this.#lake = new LakeLook(parts)
    this.#left = new LeftToSegments(limits)
  }

  /** null before the first, and after a fault that emptied the tail */
  get newest(): Moment | null {
    return this.#newest
  }

  /** Whether the last refresh succeeded, and is not too long ago. */
  get fresh(): boolean {
    return this.#fault === null && performance.now() - this.#refreshedAtMs < FRESH_MS
  }

  /** Whether the last refresh failed. */
  get failed(): boolean {
    return this.#fault !== null
  }

  /** @throws what the last refresh failed with */
  assertKnown(): void {
    if (this.#fault !== null) throw this.#fault
  }

  /** @throws what keeps the newest moment from being known */
  now(): Moment {
    if (this.#newest !== null) return this.#newest
    throw this.#fault ?? new SnapshotError(this.#parts.dataset.name, 'what is counted is not known yet')
  }

  whileStill<T>(work: (now: Moment) => Promise<T> | T): Promise<T> {
    return this.#oneChange(() => work(this.now()))
  }

  /** Per partition, the offset up to which the newest moment counts events; empty before the first. */
  get counted(): readonly Offset[] {
    return this.#newest === null ? [] : countedAt(this.#newest)
  }

  /** recent rate at which records are read from the log */
  get recordsPerSecond(): number {
    return this.#tail?.recordsPerSecond ?? 0
  }

  /** Whether the last refresh left records of the log unread. */
  get isBehind(): boolean {
    return this.#tail?.isBehind ?? false
  }

  /** Tables of small files of the lake. There are some after the first refresh. */
  get files(): FileTables {
    return this.#files!
  }

  /** Reads lake and log once; concurrent calls share one. Never throws. @returns whether something changed */
  refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refreshOnce().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  /** As `refresh`, but nothing of it was read before the call. */
  async refreshAnew(): Promise<boolean> {
    await this.#refreshing
    return this.refresh()
  }

  /** Resolves when another moment, or a fault, is known, or the signal is aborted. */
  async changed(signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<void>()
    const end = (): void => over.resolve()
    signal.addEventListener('abort', end, { once: true })
    await Promise.race([this.#news.promise, over.promise])
    signal.removeEventListener('abort', end)
  }

  /** Ends all waits for a change. */
  announce(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  /** Somebody waits until what is before the position is counted: none of it is left until its segment has closed. @returns ends the wait */
  want(position: Positions): () => void {
    return this.#left.want(position)
  }

  /** The log reaches at least to the ends of these ranges. */
  appended(ranges: readonly OffsetRange[]): void {
    for (const { partition, end } of ranges)
      this.#appended.set(partition, Math.max(end, this.#appended.get(partition) ?? 0))
  }

  /** The positions of the snapshot, with their age and distance from the end of the log as last read. */
  seen(snapshot: Snapshot): readonly PartitionPosition[] {
    const places = new Map((this.#tail?.places() ?? []).map((place) => [place.partition, place]))
    return snapshot.partitions.map((partition) => {
      const place = places.get(partition.partition)
      if (place === undefined) return partition
      return {
        ...partition,
        asOfMs: place.end === partition.position ? (place.asOfMs ?? partition.asOfMs) : partition.asOfMs,
        missing: partition.missing ?? (place.logEnd === null ? LOG_UNREADABLE : null),
        behind:
          place.logEnd === null ? null : Math.max(0, this.#logEnd(place.logEnd, place.partition) - partition.position),
      }
    })
  }

  #logEnd(seen: Offset, partition: number): Offset {
    return Math.max(seen, this.#appended.get(partition) ?? 0)
  }

  /** Closes what it opened, when no change is under way. */
  async close(): Promise<void> {
    await this.#files?.large.close()
    await this.#oneChange(() => {
      this.#fileConnection?.close()
      this.#connection?.close()
    })
  }

  #refreshOnce(): Promise<boolean> {
    return this.#oneChange(async () => {
      try {
        const changed = await this.#follow(await this.#lake.look())
        this.#fault = null
        if (changed) this.announce()
        return changed
      } catch (error) {
        this.#fault = error
        this.announce()
        return false
      } finally {
        this.#refreshedAtMs = performance.now()
      }
    })
  }

  async #follow(state: LakeState): Promise<boolean> {
    const { tail, rows } = await this.#opened()
    try {
      await tail.follow(state.ends)
      const read = await tail.advance()
      const changed = read || state !== this.#state || this.#newest === null
      if (changed) this.#newest = this.#momentOf(state, tail, rows)
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
    this.#files ??= new FileTables(
      this.#fileConnection,
      lake,
      this.#limits.generationFileBytesMax,
      new LargeTables(engine, lake, this.#limits),
    )
    this.#rows ??= new TailTable({ dataset, connection, scratchFolder })
    this.#tail ??= new LogTail(log, this.#rows, this.#limits, clock, this.#left)
    return { tail: this.#tail, rows: this.#rows }
  }

  async #reset(): Promise<void> {
    const rows = this.#rows
    this.#rows = null
    this.#tail = null
    this.#newest = null
    this.#epoch++
    await rows?.remove().catch(() => {})
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
      partitions: chains.map((chain) => positionOf(of.get(chain.partition)!, generation, chain)),
    }
    return {
      seq: ++this.#seq,
      atMs: performance.now(),
      epoch: this.#epoch,
      snapshot,
      places,
      tail: (from) => rows.rowsFrom(from),
    }
  }
}

/** Per partition, the offset up to which the moment counts events. */
export function countedAt({ snapshot }: Moment): readonly Offset[] {
  return snapshot.partitions.map(({ position }) => position)
}

function positionOf(
  { partition, end, asOfMs, logEnd }: TailPlace,
  generation: GenerationManifest | null,
  { end: closedEnd, segments, past }: SegmentChain,
): PartitionPosition {
  const boundary = generation?.boundary[partition] ?? 0
  const [behind, missing] = logEnd === null ? [null, LOG_UNREADABLE] : [logEnd - end, null]
  // Where nothing was read behind the closed segments, their closing tells.
  const closedAtMs = segments.at(-1)?.createdAtMs ?? past?.closedAtMs ?? null
  const place = { partition, boundary, closedEnd, position: end }
  return { ...place, asOfMs: asOfMs ?? closedAtMs, ahead: null, behind, missing }
}

/** What an owner of these records would say of them. */
function markerOf(place: TailPlace, counts: TailCounts, views: readonly string[]): Marker {
  const { partition, start, end, asOfMs } = place
  return { partition, segmentStart: start, through: end, atMs: asOfMs ?? 0, views, ...counts, timeMaxMs: null }
}
