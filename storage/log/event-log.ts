/**
 * Port: the ordered, partitioned, durable input of one dataset; the only source of truth for order.
 * Records are bytes; one record is one line of NDJSON without raw newlines. Drivers: sqlite-log (embedded), Kafka (cluster).
 */
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { AppendBatch } from './append-batch.ts'
import type { AppendedOnce, AppendOnce } from './append-once.ts'
import type { SourceLedger } from './source-ledger.ts'

export type { AppendBatch }

/** A run of adjacent records that were appended at the same time. */
export interface ArrivalRun {
  readonly count: number
  /** time of the append on the log's clock, epoch ms */
  readonly atMs: number
}

/** A record whose line differs from its bytes: it had line breaks, was framed, or could not be converted to a line. */
export interface OriginalRecord {
  readonly bytes: Buffer
  /** why its line is the placeholder `null`, which becomes a dead letter; null: the line is equivalent to the bytes */
  readonly reason: string | null
}

/** The result of a read: whole records of one partition, in order. `[start, end)` also covers holes. */
export interface RecordBatch extends OffsetRange {
  /** NDJSON: exactly `count` lines, each ended by '\n', none blank */
  readonly lines: Buffer
  /** 0 only for a range of holes */
  readonly count: number
  /** null: record i has offset start + i; otherwise offset per record (a log with holes), ascending */
  readonly offsets: Float64Array | null
  /** covers all records in order */
  readonly arrivals: readonly ArrivalRun[]
  /** by line number, of records that were written by others; dead letters keep these bytes */
  readonly originals?: ReadonlyMap<number, OriginalRecord>
  /** size of lines and originals; absent: size of the lines alone */
  readonly bytes?: number
  /**
   * Frees the memory of the lines without waiting for garbage collection (see releaseMemory); they are empty, or hold others, afterwards. Absent where
   * others may use the same memory. Who reads on and on calls it, others need not
   */
  readonly release?: () => void
}

/** The batch's size in memory, to which byte limits apply. */
export function bytesHeld({ bytes, lines }: RecordBatch): number {
  return bytes ?? lines.length
}

export interface ReadLimits {
  /** size of lines and originals; at least one record is returned, even if it is larger */
  readonly bytesMax: number
  readonly recordsMax: number
  /** exclusive end offset: with holes, a number of records does not determine the end */
  readonly before?: Offset
  /** the batch is released when it is not used any more; its memory may then hold another batch. Default false */
  readonly reused?: boolean
}

export interface EventLog {
  /** generated when the log is created; another value means another log */
  readonly identity: string
  /** never decreases; can grow while the log is open (Kafka) */
  readonly partitions: number
  /** whether the log never gets more of them; default: it may */
  readonly partitionsFixed?: boolean
  /** why it takes no appends until somebody acts, as far as this is known without trying one; null or absent: nothing of the kind is known */
  readonly refusal?: string | null
  /**
   * Resolves when all the records are durable (survive kill -9 and power loss), with the offsets given to each batch, in the
   * order of `batches`. A log that splits a large batch returns several ranges for it, in the order of its lines.
   *
   * A RangeError means that none of them is in the log. After any other rejection nothing is acknowledged, but if the
   * log is remote, some or all of the records may be in it, so a retry may duplicate them.
   */
  append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]>
  /**
   * As `append`, but all or nothing, and once: repeated under the same key within `keepMs` of the log's limits for keys, it appends nothing
   * and returns where the records of the first append are, whichever process made it, and also if that crashed before it could return.
   * Concurrent repeats wait for one another. Without batches it only looks for an earlier append, and remembers nothing.
   * @throws KeyReusedError, TooManyKeysError: nothing was appended; else as `append`
   */
  appendOnce(batches: readonly AppendBatch[], once: AppendOnce): Promise<AppendedOnce>
  /** cursors of sources, and appends that store them */
  readonly sources: SourceLedger
  /** `start`: first offset still held; `end`: offset of the next append (with open transactions of others: the first undecided offset) */
  range(partition: number): Promise<OffsetRange>
  /** Per partition, the offset of the next append; absent where it costs as much as a range for each */
  ends?(): Promise<readonly Offset[]>
  /** Records from `from` on; null if there are none yet. @throws LogRangeError if `from` is outside [start, end], LogDivergedError where a log can tell */
  read(partition: number, from: Offset, limits: ReadLimits): Promise<RecordBatch | null>
  /** Drops records before `before`, if they were appended before `olderThanMs`. Removes whole blocks only, so it may keep more. Returns the new start. */
  trim(partition: number, before: Offset, olderThanMs: number): Promise<Offset>
  /** Gives up what reading the partition keeps in memory, because it will not be read on. */
  release?(partition: number): void
  /**
   * For repairs: gives the records from `from` on the offsets from `to` on, and drops those before, as one atomic change. Nobody may append
   * meanwhile. Absent where offsets are not ours to give (Kafka). @throws RangeError unless start <= from <= end and from <= to
   */
  moveRecords?(partition: number, from: Offset, to: Offset): Promise<void>
  /** Reads everything and compares it with its checksums. Absent where that is the work of others (Kafka). @throws for what is damaged */
  examine?(partition: number): Promise<void>
  close(): Promise<void>
}

/** A read from an offset that the log does not contain. */
export class LogRangeError extends Error {
  readonly wanted: Offset
  readonly range: OffsetRange
  constructor(wanted: Offset, range: OffsetRange) {
    super(`log partition ${range.partition}: offset ${wanted} is outside [${range.start}, ${range.end}]`)
    this.name = 'LogRangeError'
    this.wanted = wanted
    this.range = range
  }
}

/** The log has other records before `at` than those that were read from this handle: it lost them, and may have got others. */
export class LogDivergedError extends Error {
  readonly at: Offset
  constructor({ partition, at }: { readonly partition: number; readonly at: Offset }) {
    super(
      `log partition ${partition}: the records before offset ${at} are not those that were read: the log lost records`,
    )
    this.name = 'LogDivergedError'
    this.at = at
  }
}
