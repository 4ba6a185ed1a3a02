/**
 * The door of one dataset: looks at each event, tells why it can not be used or appends it to the log. Resolves when the
 * accepted events are durable: an accepted verdict survives kill -9. A rejected event is not in the log; its sender knows.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { AppendBatch, EventLog } from '#storage/log/event-log.ts'
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from './ingest-limits.ts'
import { partitionOf } from './partitioner.ts'

export type RowVerdict =
  | { readonly index: number; readonly status: 'accepted'; readonly partition: number; readonly offset: Offset }
  | { readonly index: number; readonly status: 'rejected'; readonly reason: string }

export interface IntakeResult {
  /** one per event, in the order they were offered */
  readonly verdicts: readonly RowVerdict[]
  readonly accepted: number
  readonly rejected: number
}

/** Too much is on its way to the log: try again a little later. */
export class IntakeBusyError extends Error {
  readonly retryAfterMs = 1_000
  constructor(dataset: string, bytes: number, limit: number) {
    super(
      `dataset '${dataset}': ${bytes} bytes would be on their way to the log, the limit inFlightBytesMax is ${limit}; send them again in a second`,
    )
    this.name = 'IntakeBusyError'
  }
}

export interface IntakeParts {
  readonly dataset: CompiledDataset
  readonly log: EventLog
  readonly limits?: Partial<IngestLimits>
}

export interface OfferOptions {
  /** append what can not be used as well: it becomes a dead letter with its bytes */
  readonly acceptUnusable?: boolean
}

interface Placed {
  readonly partition: number
  /** place among the partition's events of this offer */
  readonly place: number
}

export class Intake {
  readonly #dataset: CompiledDataset
  readonly #log: EventLog
  readonly limits: IngestLimits
  #inFlightBytes = 0

  constructor(parts: IntakeParts) {
    this.#dataset = parts.dataset
    this.#log = parts.log
    this.limits = { ...DEFAULT_INGEST_LIMITS, ...parts.limits }
  }

  /**
   * Offers events, one per line, without line ends.
   * @throws IntakeBusyError when too much is under way; whatever the log throws when it can not store them (then none is)
   */
  async offer(rows: readonly string[], options: OfferOptions = {}): Promise<IntakeResult> {
    if (rows.length > this.limits.rowsMax) {
      throw new RangeError(
        `dataset '${this.#dataset.name}': ${rows.length} events in one offer, the limit rowsMax is ${this.limits.rowsMax}`,
      )
    }
    const places: (Placed | string)[] = []
    const lines = new Map<number, string[]>()
    for (const row of rows) places.push(this.#place(row, options.acceptUnusable ?? false, lines))
    const batches = [...lines].map(
      ([partition, texts]): AppendBatch => ({
        partition,
        lines: Buffer.from(`${texts.join('\n')}\n`),
        count: texts.length,
      }),
    )
    const starts = await this.#append(batches)
    const verdicts = places.map(
      (place, index): RowVerdict =>
        typeof place === 'string'
          ? { index, status: 'rejected', reason: place }
          : {
              index,
              status: 'accepted',
              partition: place.partition,
              offset: starts.get(place.partition)! + place.place,
            },
    )
    const accepted = verdicts.filter((verdict) => verdict.status === 'accepted').length
    return { verdicts, accepted, rejected: verdicts.length - accepted }
  }

  async #append(batches: readonly AppendBatch[]): Promise<Map<number, Offset>> {
    if (batches.length === 0) return new Map()
    const bytes = batches.reduce((sum, batch) => sum + batch.lines.length, 0)
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > this.limits.inFlightBytesMax) {
      throw new IntakeBusyError(this.#dataset.name, this.#inFlightBytes + bytes, this.limits.inFlightBytesMax)
    }
    this.#inFlightBytes += bytes
    try {
      const ranges = await this.#log.append(batches)
      return new Map(ranges.map((range) => [range.partition, range.start]))
    } finally {
      this.#inFlightBytes -= bytes
    }
  }

  /** Where the event goes, or why it does not. */
  #place(row: string, acceptUnusable: boolean, lines: Map<number, string[]>): Placed | string {
    if (row.length > this.limits.recordBytesMax || Buffer.byteLength(row) > this.limits.recordBytesMax) {
      return `the event is larger than recordBytesMax = ${this.limits.recordBytesMax} bytes`
    }
    if (row.includes('\n')) return 'the event contains a line break'
    const verdict = this.#verdict(row)
    if (!verdict.ok && !(acceptUnusable && row.trim() !== '')) return verdict.reason
    const partition = verdict.ok
      ? partitionOf(verdict.key, this.#log.partitions)
      : partitionOf(row, this.#log.partitions)
    const own = lines.get(partition) ?? []
    lines.set(partition, own)
    return { partition, place: own.push(row) - 1 }
  }

  #verdict(row: string): ReturnType<CompiledDataset['check']> {
    try {
      return this.#dataset.check(JSON.parse(row))
    } catch (error) {
      return { ok: false, reason: `no JSON: ${(error as Error).message}` }
    }
  }
}
