/**
 * The log's tail: per partition the records behind its last closed segment, up to where this process has read. What it counts is
 * decided by offsets alone: `[end of the chain, read up to)`. So nothing is counted twice when a segment closes, whoever closed it
 * and wherever it was cut, and a lost owner's work is never seen.
 */
import { endsWithin } from '#core/ends-within.ts'
import type { Offset, Positions } from '#core/offsets.ts'
import {
  bytesHeld,
  type EventLog,
  LogDivergedError,
  type ReadLimits,
  type RecordBatch,
} from '#storage/log/event-log.ts'
import { LeftToSegments } from './left-to-segments.ts'
import type { LiveLimits } from './live-limits.ts'

export interface TailCounts {
  /** usable */
  readonly rows: number
  readonly deadLetters: number
  readonly lateRows: number
}

/** The decoded records of all partitions. */
export interface TailRows {
  /** decodes and keeps the records; their batches follow what is held */
  append(batches: readonly RecordBatch[]): Promise<void>
  /** forgets the records of these partitions before the offsets; all of them: Infinity */
  drop(before: Positions): Promise<void>
  counts(partition: number): TailCounts
}

/** What is counted of a partition: `[start, end)`. */
export interface TailPlace {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
  /** bytes of the records read since `start` was set: more than is held where a segment closed in the middle */
  readonly bytes: number
  /** when everything that the log held then was counted, epoch ms; null before the first time */
  readonly asOfMs: number | null
  /** where the log ended when it was last looked at; null: it could not be read, or ends before what is counted */
  readonly logEnd: Offset | null
}

/** over which the rate of records is taken */
const RATE_MS = 1_000
/** a refresh waits no longer for a log that does not answer */
const LOOK_MS_MAX = 1_000
/** A log that takes longer than this is reported as unreadable. Shorter delays also occur when the machine is busy. */
const SLOW_MS_MAX = 4_000

type ReadLog = Pick<EventLog, 'range' | 'read' | 'ends'>

export class LogTail {
  readonly #log: ReadLog
  readonly #rows: TailRows
  readonly #limits: LiveLimits
  readonly #clock: () => number
  readonly #left: LeftToSegments
  readonly #places = new Map<number, TailPlace>()
  #recordsPerSecond = 0
  #measuredAtMs = performance.now()
  /** by partition: what was not answered yet */
  readonly #looks = new Map<number, Look>()

  constructor(
    log: ReadLog,
    rows: TailRows,
    limits: LiveLimits,
    clock: () => number = Date.now,
    left: LeftToSegments = new LeftToSegments(limits),
  ) {
    this.#log = log
    this.#rows = rows
    this.#limits = limits
    this.#clock = clock
    this.#left = left
  }

  /** read of late */
  get recordsPerSecond(): number {
    return this.#recordsPerSecond
  }

  places(): readonly TailPlace[] {
    return [...this.#places.values()]
  }

  /** Whether the log, as last looked at, held more than one refresh may read. */
  get isBehind(): boolean {
    return this.places().some(({ end, logEnd }) => logEnd !== null && end < logEnd)
  }

  /** Counts from these ends of the closed segments on. */
  async follow(ends: Positions): Promise<void> {
    const dropped = new Map<number, Offset>()
    for (const [partition, end] of ends) {
      const place = this.#places.get(partition)
      if (place?.start === end) continue
      const isWithin = place !== undefined && end > place.start && end < place.end
      // Where it goes back, what was read is read again.
      if (place !== undefined) dropped.set(partition, end < place.start ? Number.POSITIVE_INFINITY : end)
      this.#places.set(partition, isWithin ? from(place, end) : emptyPlace(partition, end, place))
    }
    if (dropped.size > 0) await this.#rows.drop(dropped)
  }

  /**
   * Reads on, within the limits of one refresh.
   * @returns whether something was read; a partition that cannot be read, or is left to the stream role, stays where it is
   */
  async advance(): Promise<boolean> {
    const places = this.places()
    const full = places.reduce((sum, place) => sum + place.bytes, 0) >= this.#limits.tailBytesMax
    const share: ReadLimits | null = full
      ? null
      : {
          recordsMax: Math.ceil(this.#limits.refreshRecordsMax / places.length),
          bytesMax: Math.ceil(this.#limits.refreshBytesMax / places.length),
        }
    const atMs = this.#clock()
    const ends = await this.#ends()
    const found = await Promise.all(
      places.map((place) => {
        const logEnd = ends?.[place.partition]
        const isRead = logEnd !== undefined && (logEnd === place.end || this.#left.leaves(place, logEnd))
        return isRead ? { batch: null, logEnd, atMs } : this.#look(place, share)
      }),
    )
    const batches = found.flatMap((each) => each?.batch ?? [])
    this.#measure(batches.reduce((sum, { count }) => sum + count, 0))
    if (batches.length > 0) await this.#rows.append(batches)
    for (const [index, place] of places.entries())
      if (found[index] != null) this.#places.set(place.partition, seenPlace(place, found[index]))
    return batches.length > 0
  }

  #measure(records: number): void {
    const nowMs = performance.now()
    const passedMs = nowMs - this.#measuredAtMs
    this.#measuredAtMs = nowMs
    const weight = Math.min(1, passedMs / RATE_MS)
    this.#recordsPerSecond += weight * ((records * 1_000) / Math.max(1, passedMs) - this.#recordsPerSecond)
  }

  /** One question for all partitions, most of which have nothing new; null: each is asked by itself. */
  async #ends(): Promise<readonly Offset[] | null> {
    if (this.#log.ends === undefined || this.#looks.size > 0) return null
    const ends = this.#log.ends().catch(() => null)
    return (await endsWithin(ends, LOOK_MS_MAX)) ? ends : null
  }

  /**
   * Waits for a log that does not answer once, and then no more until it does: the other partitions go on.
   * @returns null: still reading, the place keeps its last state
   */
  async #look(place: TailPlace, share: ReadLimits | null): Promise<Found | null> {
    const before = this.#looks.get(place.partition)
    const look = before?.from === place.end ? before : this.#begin(place, share)
    if (!(await endsWithin(look.found, look === before ? 0 : LOOK_MS_MAX)))
      return performance.now() - look.beganMs < SLOW_MS_MAX ? null : NOTHING
    this.#looks.delete(place.partition)
    return look.found
  }

  #begin(place: TailPlace, share: ReadLimits | null): Look {
    const look = { from: place.end, found: this.#read(place, share), beganMs: performance.now() }
    this.#looks.set(place.partition, look)
    return look
  }

  async #read(place: TailPlace, share: ReadLimits | null): Promise<Found> {
    const { partition, end } = place
    const atMs = this.#clock()
    try {
      const range = await this.#log.range(partition)
      if (range.end < end) return NOTHING
      if (range.end === end || share === null || this.#left.leaves(place, range.end))
        return { batch: null, logEnd: range.end, atMs }
      const batch = await this.#log.read(partition, end, share)
      return { batch, logEnd: Math.max(range.end, batch?.end ?? end), atMs }
    } catch (error) {
      // What was read is not what the log holds now: it is to be read again from the lake's end.
      if (error instanceof LogDivergedError) throw error
      // Unavailable, or trimmed behind us: what is counted stays exact, and how far behind it is, is not known.
      return NOTHING
    }
  }
}

interface Look {
  readonly from: Offset
  readonly found: Promise<Found>
  /** monotonic */
  readonly beganMs: number
}

const NOTHING: Found = { batch: null, logEnd: null, atMs: 0 }

interface Found {
  readonly batch: RecordBatch | null
  readonly logEnd: Offset | null
  /** when the read began, epoch ms */
  readonly atMs: number
}

/** @param before the partition's previous place; a closed segment proves that the log reaches its end */
function emptyPlace(partition: number, at: Offset, before?: TailPlace): TailPlace {
  const seen = before?.logEnd ?? null
  return { partition, start: at, end: at, bytes: 0, asOfMs: null, logEnd: seen === null ? null : Math.max(seen, at) }
}

/** @param start within the place */
function from(place: TailPlace, start: Offset): TailPlace {
  const share = (place.end - start) / (place.end - place.start)
  return { ...place, start, bytes: Math.ceil(place.bytes * share) }
}

function seenPlace(place: TailPlace, { batch, logEnd, atMs }: Found): TailPlace {
  const end = batch?.end ?? place.end
  const bytes = place.bytes + (batch === null ? 0 : bytesHeld(batch))
  if (logEnd === null || end < logEnd) {
    const arrivedMs = batch?.arrivals.at(-1)?.atMs ?? null
    return { ...place, end, bytes, logEnd, asOfMs: arrivedMs ?? place.asOfMs }
  }
  return { ...place, end, bytes, logEnd, asOfMs: atMs }
}
