/**
 * The log's tail: per partition the records behind its last closed segment, up to where this process has read. What it counts is
 * decided by offsets alone: `[end of the chain, read up to)`. So nothing is counted twice when a segment closes, whoever closed it
 * and wherever it was cut, and a lost owner's work is never seen.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import { bytesHeld, type EventLog, type RecordBatch } from '#storage/log/event-log.ts'
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
  /** forgets the partition's records before `from` */
  drop(partition: number, from: Offset): Promise<void>
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

export class LogTail {
  readonly #log: Pick<EventLog, 'range' | 'read'>
  readonly #rows: TailRows
  readonly #limits: LiveLimits
  readonly #clock: () => number
  readonly #places = new Map<number, TailPlace>()
  #turn = 0

  constructor(
    log: Pick<EventLog, 'range' | 'read'>,
    rows: TailRows,
    limits: LiveLimits,
    clock: () => number = Date.now,
  ) {
    this.#log = log
    this.#rows = rows
    this.#limits = limits
    this.#clock = clock
  }

  places(): readonly TailPlace[] {
    return [...this.#places.values()]
  }

  /** Counts from these ends of the closed segments on. */
  async follow(ends: Positions): Promise<void> {
    for (const [partition, end] of ends) {
      const place = this.#places.get(partition)
      if (place?.start === end) continue
      if (place !== undefined && end > place.start && end < place.end) {
        await this.#rows.drop(partition, end)
        const share = (place.end - end) / (place.end - place.start)
        this.#places.set(partition, { ...place, start: end, bytes: Math.ceil(place.bytes * share) })
        continue
      }
      if (place !== undefined) await this.#rows.drop(partition, Number.POSITIVE_INFINITY)
      this.#places.set(partition, { partition, start: end, end, bytes: 0, asOfMs: null, logEnd: null })
    }
  }

  /** Reads on, within the limits of one refresh. @returns whether something was read; a partition that cannot be read stays where it is */
  async advance(): Promise<boolean> {
    const { refreshRecordsMax, refreshBytesMax, tailBytesMax } = this.#limits
    const batches: RecordBatch[] = []
    const seen: TailPlace[] = []
    let [records, bytes] = [refreshRecordsMax, refreshBytesMax]
    const places = this.#inTurn()
    if (places.reduce((sum, place) => sum + place.bytes, 0) >= tailBytesMax) records = 0
    for (const [index, place] of places.entries()) {
      const left = places.length - index
      const atMs = this.#clock()
      const found = await this.#read(place, Math.ceil(records / left), Math.ceil(bytes / left))
      if (found.batch !== null) {
        batches.push(found.batch)
        records -= found.batch.count
        bytes -= bytesHeld(found.batch)
      }
      seen.push(seenPlace(place, found, atMs))
    }
    if (batches.length > 0) await this.#rows.append(batches)
    for (const place of seen) this.#places.set(place.partition, place)
    return batches.length > 0
  }

  /** Another partition first each time: none waits for the others' backlog. */
  #inTurn(): readonly TailPlace[] {
    const places = this.places()
    const first = this.#turn++ % Math.max(1, places.length)
    return [...places.slice(first), ...places.slice(0, first)]
  }

  async #read({ partition, end }: TailPlace, recordsMax: number, bytesMax: number): Promise<Found> {
    try {
      const range = await this.#log.range(partition)
      if (range.end < end) return NOTHING
      if (range.end === end || recordsMax <= 0 || bytesMax <= 0) return { batch: null, logEnd: range.end }
      const batch = await this.#log.read(partition, end, { recordsMax, bytesMax })
      return { batch, logEnd: Math.max(range.end, batch?.end ?? end) }
    } catch {
      // Away, or trimmed behind us: what is counted stays exact, and how far behind it is, nobody knows.
      return NOTHING
    }
  }
}

const NOTHING: Found = { batch: null, logEnd: null }

interface Found {
  readonly batch: RecordBatch | null
  readonly logEnd: Offset | null
}

function seenPlace(place: TailPlace, { batch, logEnd }: Found, atMs: number): TailPlace {
  const end = batch?.end ?? place.end
  const bytes = place.bytes + (batch === null ? 0 : bytesHeld(batch))
  if (logEnd === null || end < logEnd) {
    const arrivedMs = batch?.arrivals.at(-1)?.atMs ?? null
    return { ...place, end, bytes, logEnd, asOfMs: arrivedMs ?? place.asOfMs }
  }
  return { ...place, end, bytes, logEnd, asOfMs: atMs }
}
