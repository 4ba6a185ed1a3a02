/**
 * Validates the events of one dataset and appends the valid ones to the log. Resolves when the accepted events are durable:
 * they survive kill -9. A rejected event is not in the log; its verdict gives the reason.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { CompiledDataset } from '#core/compiled.ts'
import { isBlank } from '#core/json-bytes.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { AppendBatch, EventLog } from '#storage/log/event-log.ts'
import { type Emit, silent } from '#telemetry/emit.ts'
import { checkRow } from './check-row.ts'
import { DEFAULT_INGEST_LIMITS, type IngestLimits, IntakeBusyError, OfferTooLargeError } from './ingest-limits.ts'
import { linesOf } from './ndjson-lines.ts'
import { partitionOf } from './partitioner.ts'

export { IntakeBusyError, OfferTooLargeError }

export type RowVerdict =
  | { readonly index: number; readonly status: 'accepted'; readonly partition: number; readonly offset: Offset }
  | { readonly index: number; readonly status: 'rejected'; readonly reason: string }

export interface IntakeResult {
  /** one per row, in the order of the rows; blank lines are not rows */
  readonly verdicts: readonly RowVerdict[]
  readonly accepted: number
  readonly rejected: number
  /** accepted rows that fail validation (only with acceptUnusable): they become dead letters if the engine cannot use them either */
  readonly unusable: number
}

export interface IntakeParts {
  readonly dataset: CompiledDataset
  readonly log: EventLog
  readonly limits?: Partial<IngestLimits>
  /** receives rows-accepted, rows-rejected, intake-busy, append-failed */
  readonly emit?: Emit
}

export interface OfferOptions {
  /** also append rows that fail validation: those that the engine cannot use become dead letters with their bytes */
  readonly acceptUnusable?: boolean
}

/** One row per element, without line ends; or a whole NDJSON body. */
export type OfferedRows = Buffer | readonly (string | Buffer)[]

interface Placed {
  readonly partition: number
  /** index among the partition's events of this offer */
  readonly place: number
}

interface PartitionLines {
  readonly parts: Buffer[]
  readonly keys: string[]
  count: number
}

/** Rows validated before the event loop is yielded to. */
const ROWS_PER_TURN = 2_000
const LINE_END = Buffer.from('\n')

export class Intake {
  readonly #dataset: CompiledDataset
  readonly #log: EventLog
  readonly #emit: Emit
  readonly limits: IngestLimits
  #inFlightBytes = 0

  constructor(parts: IntakeParts) {
    this.#dataset = parts.dataset
    this.#log = parts.log
    this.#emit = parts.emit ?? silent
    this.limits = { ...DEFAULT_INGEST_LIMITS, ...parts.limits }
  }

  /**
   * Offers events; accepted ones keep their bytes. All of them are appended at once, or none.
   * @throws OfferTooLargeError if a limit is exceeded; IntakeBusyError if too much is in flight; whatever
   * the log throws if it cannot store them (then none of them is acknowledged)
   */
  async offer(offered: OfferedRows, options: OfferOptions = {}): Promise<IntakeResult> {
    const rows = this.#rows(offered)
    const bytes = rows.reduce((sum, row) => sum + row.length + 1, 0)
    this.#reserve(bytes)
    try {
      return await this.#take(rows, bytes, options.acceptUnusable ?? false)
    } finally {
      this.#inFlightBytes -= bytes
    }
  }

  #rows(offered: OfferedRows): readonly Buffer[] {
    const { rowsMax } = this.limits
    const where = `dataset '${this.#dataset.name}'`
    if (!Buffer.isBuffer(offered) && offered.length > rowsMax)
      throw new OfferTooLargeError(where, offered.length, 'events', 'requestRowsMax', rowsMax)
    const rows = Buffer.isBuffer(offered)
      ? linesOf(offered, rowsMax)
      : offered.map((row) => (typeof row === 'string' ? Buffer.from(row) : row)).filter((row) => !isBlank(row))
    if (rows.length > rowsMax) throw new OfferTooLargeError(where, rows.length, 'events', 'requestRowsMax', rowsMax)
    return rows
  }

  #reserve(bytes: number): void {
    const { inFlightBytesMax } = this.limits
    const { name } = this.#dataset
    if (bytes > inFlightBytesMax)
      throw new OfferTooLargeError(`dataset '${name}'`, bytes, 'bytes', 'inFlightBytesMax', inFlightBytesMax)
    if (this.#inFlightBytes + bytes > inFlightBytesMax) {
      const busy = new IntakeBusyError(name, this.#inFlightBytes + bytes, inFlightBytesMax)
      this.#emit({ name: 'intake-busy', level: 'warn', message: busy.message, dataset: name, fields: { bytes } })
      throw busy
    }
    this.#inFlightBytes += bytes
  }

  async #take(rows: readonly Buffer[], bytes: number, acceptUnusable: boolean): Promise<IntakeResult> {
    const places: (Placed | string)[] = []
    const lines = new Map<number, PartitionLines>()
    let unusable = 0
    for (const [index, row] of rows.entries()) {
      if (index > 0 && index % ROWS_PER_TURN === 0) await turn()
      const { place, usable } = this.#place(row, acceptUnusable, lines)
      if (!usable && typeof place !== 'string') unusable++
      places.push(place)
    }
    const ranges = await this.#append(lines)
    const verdicts = places.map((place, index): RowVerdict => verdictOf(place, index, ranges))
    const accepted = verdicts.filter((verdict) => verdict.status === 'accepted').length
    const result = { verdicts, accepted, rejected: verdicts.length - accepted, unusable }
    this.#tell(result, bytes)
    return result
  }

  /** Positions of each partition's events, in the order of their lines. */
  async #append(lines: ReadonlyMap<number, PartitionLines>): Promise<ReadonlyMap<number, readonly OffsetRange[]>> {
    if (lines.size === 0) return new Map()
    const batches = [...lines].map(
      ([partition, { parts, count, keys }]): AppendBatch => ({ partition, lines: Buffer.concat(parts), count, keys }),
    )
    try {
      const ranges = await this.#log.append(batches)
      return Map.groupBy(ranges, (range) => range.partition)
    } catch (error) {
      const { name } = this.#dataset
      const message = `dataset '${name}': the log did not accept the events, none is acknowledged: ${(error as Error).message}`
      this.#emit({ name: 'append-failed', level: 'error', message, dataset: name })
      throw error
    }
  }

  /** The event's position, or the reason why it is rejected. */
  #place(
    row: Buffer,
    acceptUnusable: boolean,
    lines: Map<number, PartitionLines>,
  ): { readonly place: Placed | string; readonly usable: boolean } {
    if (row.length > this.limits.recordBytesMax) {
      const reason = `the row has ${row.length} bytes, but the limit recordBytesMax is ${this.limits.recordBytesMax}`
      return { place: reason, usable: false }
    }
    if (row.includes(LINE_END)) return { place: 'the row contains a line break', usable: false }
    const check = checkRow(this.#dataset, row)
    if (!check.ok && !acceptUnusable) return { place: check.reason, usable: false }
    const key = check.ok ? check.key : row.toString('latin1')
    const partition = partitionOf(key, this.#log.partitions)
    const own = lines.get(partition) ?? { parts: [], keys: [], count: 0 }
    lines.set(partition, own)
    own.parts.push(row, LINE_END)
    own.keys.push(key)
    return { place: { partition, place: own.count++ }, usable: check.ok }
  }

  #tell({ verdicts, accepted, rejected, unusable }: IntakeResult, bytes: number): void {
    const { name } = this.#dataset
    if (accepted > 0) {
      const message = `dataset '${name}': ${accepted} events were appended to the log`
      const fields = { accepted, unusable, bytes }
      this.#emit({ name: 'rows-accepted', level: 'debug', message, dataset: name, fields })
    }
    const first = verdicts.find((verdict) => verdict.status === 'rejected')
    if (first) {
      const message = `dataset '${name}': ${rejected} of ${verdicts.length} rows were rejected; the first one is row ${first.index}: ${first.reason}`
      this.#emit({ name: 'rows-rejected', level: 'info', message, dataset: name, fields: { rejected } })
    }
  }
}

function verdictOf(
  place: Placed | string,
  index: number,
  ranges: ReadonlyMap<number, readonly OffsetRange[]>,
): RowVerdict {
  if (typeof place === 'string') return { index, status: 'rejected', reason: place }
  const offset = offsetOf(ranges.get(place.partition)!, place.place)
  return { index, status: 'accepted', partition: place.partition, offset }
}

/** The log may have split the lines of a partition into several ranges. */
function offsetOf(ranges: readonly OffsetRange[], place: number): Offset {
  let left = place
  for (const { start, end } of ranges) {
    if (left < end - start) return start + left
    left -= end - start
  }
  throw new RangeError(`the log returned no offset for line ${place} of the appended lines`)
}
