/**
 * Reads one partition as the port requires: from any offset, whole records, within limits. Fetches one step ahead; memory is
 * bounded by two fetches and one decoded record batch.
 */
import type { Offset } from '#core/offsets.ts'
import {
  type ArrivalRun,
  LogDivergedError,
  type OriginalRecord,
  type ReadLimits,
  type RecordBatch,
} from '../event-log.ts'
import type { RecordDecoder } from '../record-format.ts'
import { AbortedTransactions, bodyOf, type DecodedBatch, decodeRecords, readHead } from './kafka-records.ts'
import { type Fetched, KAFKA_ERRORS, NO_EPOCH } from './kafka-requests.ts'

export interface KafkaReaderParts {
  readonly partition: number
  /** its records are ours: they are overwritten when they are taken apart */
  readonly fetch: (from: Offset, bytesMax: number, lastEpoch: number) => Promise<Fetched>
  readonly decoder: RecordDecoder
  readonly fetchBytesMax: number
  readonly recordBytesMax: number
}

/** Fetched, but not yet decoded. */
interface Remainder {
  readonly fetched: Fetched
  readonly aborted: AbortedTransactions
  at: number
}

/** The offset is not held: the caller looks which are. */
export class OutOfRange {
  readonly from: Offset
  constructor(from: Offset) {
    this.from = from
  }
}

export class KafkaPartitionReader {
  readonly #parts: KafkaReaderParts
  /** index of the next record to return */
  #next: Offset = -1
  /** first offset that is not yet decoded */
  #position: Offset = 0
  /** leader epoch of the record before that; NO_EPOCH: it was not read here */
  #lastEpoch = NO_EPOCH
  #remainder: Remainder | null = null
  #decoded: { readonly batch: DecodedBatch; line: number } | null = null
  #ahead: { readonly from: Offset; readonly fetched: Promise<Fetched> } | null = null
  #reading: Promise<unknown> = Promise.resolve()

  constructor(parts: KafkaReaderParts) {
    this.#parts = parts
  }

  /** null: nothing there yet. One read after the other. @throws whatever the fetch throws; the next read begins afresh */
  read(from: Offset, limits: ReadLimits): Promise<RecordBatch | OutOfRange | null> {
    const read = this.#reading.then(() => this.#read(from, limits))
    this.#reading = read.catch(() => this.#forget())
    return read
  }

  async #read(from: Offset, limits: ReadLimits): Promise<RecordBatch | OutOfRange | null> {
    if (from !== this.#next) this.#seek(from)
    const taken = new TakenRecords(this.#parts.partition, from, limits)
    while (!taken.full) {
      if (this.#decoded === null) {
        const more = await this.#decodeNext(taken.end > from)
        if (more instanceof OutOfRange) return taken.end > from ? taken.batch() : more
        if (!more) break
      }
      this.#take(taken)
    }
    this.#next = taken.end
    return taken.end > from ? taken.batch() : null
  }

  #take(taken: TakenRecords): void {
    const { batch, line } = this.#decoded!
    const next = taken.take(batch, line)
    this.#decoded = next < batch.ends.length || !taken.reached(batch.end) ? { batch, line: next } : null
  }

  /** Decodes the next record batch, and fetches if there is none. False if there is no more data for now. */
  async #decodeNext(any: boolean): Promise<boolean | OutOfRange> {
    for (;;) {
      const batch = await this.#fromRemainder()
      if (batch !== null) {
        this.#decoded = { batch, line: 0 }
        return true
      }
      // If there are already lines to return, wait only for data that is known to exist.
      const at = this.#position
      const known = this.#remainder?.fetched.lastStableOffset ?? Number.POSITIVE_INFINITY
      if (any && at >= known) return false
      const fetched = await this.#fetch(at)
      if (fetched.errorCode === KAFKA_ERRORS.offsetOutOfRange) {
        this.#forget()
        return new OutOfRange(at)
      }
      if (fetched.isDiverging) throw new LogDivergedError({ partition: this.#parts.partition, at })
      this.#remainder = { fetched, aborted: new AbortedTransactions(fetched.aborted), at: 0 }
      if (readHead(fetched.records, 0) === null) return false
    }
  }

  async #fromRemainder(): Promise<DecodedBatch | null> {
    const { decoder, recordBytesMax } = this.#parts
    for (;;) {
      const remainder = this.#remainder
      const head = remainder === null ? null : readHead(remainder.fetched.records, remainder.at)
      if (remainder === null || head === null) return null
      const at = remainder.at
      if (head.lastOffset < this.#position) {
        remainder.at += head.bytes
        continue
      }
      const body = bodyOf(remainder.fetched.records, at, head)
      const batch = await decodeRecords(head, body, remainder.aborted, this.#position, decoder, { recordBytesMax })
      remainder.at += head.bytes
      this.#position = batch.end
      this.#lastEpoch = head.leaderEpoch
      if (readHead(remainder.fetched.records, remainder.at) === null) this.#fetchAhead(remainder.fetched)
      return batch
    }
  }

  #fetch(from: Offset): Promise<Fetched> {
    const ahead = this.#ahead
    this.#ahead = null
    return ahead?.from === from ? ahead.fetched : this.#parts.fetch(from, this.#parts.fetchBytesMax, this.#lastEpoch)
  }

  #fetchAhead({ lastStableOffset }: Fetched): void {
    if (this.#position >= lastStableOffset) return
    const fetched = this.#parts.fetch(this.#position, this.#parts.fetchBytesMax, this.#lastEpoch)
    fetched.catch(() => {})
    this.#ahead = { from: this.#position, fetched }
  }

  #seek(from: Offset): void {
    this.#forget()
    this.#next = from
    this.#position = from
  }

  #forget(): void {
    this.#lastEpoch = NO_EPOCH
    this.#next = -1
    this.#remainder = null
    this.#decoded = null
    this.#ahead = null
  }
}

/** Collects lines of record batches until the limits are reached. */
class TakenRecords {
  readonly #partition: number
  readonly #start: Offset
  readonly #limits: ReadLimits
  readonly #lines: Buffer[] = []
  readonly #offsets: Float64Array[] = []
  readonly #arrivals: ArrivalRun[] = []
  readonly #originals = new Map<number, OriginalRecord>()
  #count = 0
  #bytes = 0
  end: Offset
  full = false

  constructor(partition: number, start: Offset, limits: ReadLimits) {
    this.#partition = partition
    this.#start = start
    this.#limits = limits
    this.end = start
  }

  reached(offset: Offset): boolean {
    return this.end >= offset
  }

  /** Takes lines from number `line` on, as many as fit; returns the first one that was left. */
  take(batch: DecodedBatch, line: number): number {
    const until = this.#fitting(batch, line)
    if (until > line) this.#takeUntil(until, batch, line)
    const { before = Number.POSITIVE_INFINITY } = this.#limits
    const next = until < batch.ends.length ? batch.offsets[until]! : batch.end
    this.end = Math.min(next, before)
    if (until < batch.ends.length || this.end >= before || this.#count >= this.#limits.recordsMax) this.full = true
    return until
  }

  #takeUntil(until: number, batch: DecodedBatch, line: number): void {
    const lines = batch.lines.subarray(line === 0 ? 0 : batch.ends[line - 1]!, batch.ends[until - 1]!)
    this.#lines.push(lines)
    this.#bytes += lines.length
    for (let index = line; index < until && batch.originals.size > 0; index++) {
      const original = batch.originals.get(index)
      if (original === undefined) continue
      this.#originals.set(this.#count + index - line, original)
      this.#bytes += original.bytes.length
    }
    this.#offsets.push(batch.offsets.subarray(line, until))
    this.#arrived(batch.arrivals, line, until)
    this.#count += until - line
  }

  batch(): RecordBatch {
    const originals = this.#originals.size > 0 ? { originals: this.#originals, bytes: this.#bytes } : {}
    return {
      partition: this.#partition,
      start: this.#start,
      end: this.end,
      lines: this.#lines.length === 1 ? this.#lines[0]! : Buffer.concat(this.#lines),
      count: this.#count,
      offsets: this.end - this.#start === this.#count ? null : concatenated(this.#offsets, this.#count),
      arrivals: this.#arrivals,
      ...originals,
    }
  }

  #fitting(batch: DecodedBatch, line: number): number {
    const { recordsMax, bytesMax, before = Number.POSITIVE_INFINITY } = this.#limits
    const most = Math.min(batch.ends.length, line + Math.max(1, recordsMax) - this.#count)
    let until = line
    let bytes = this.#bytes
    while (until < most && batch.offsets[until]! < before) {
      bytes += bytesOf(batch, until)
      const first = this.#count === 0 && until === line
      if (bytes > bytesMax && !first) break
      until++
    }
    return until
  }

  #arrived(times: Float64Array, from: number, until: number): void {
    const last = this.#arrivals.at(-1)
    let [atMs, count] = [times[from]!, 0]
    if (last?.atMs === atMs) count = this.#arrivals.pop()!.count
    for (let index = from; index < until; index++, count++) {
      if (times[index] === atMs) continue
      this.#arrivals.push({ count, atMs })
      atMs = times[index]!
      count = 0
    }
    this.#arrivals.push({ count, atMs })
  }
}

function concatenated(parts: readonly Float64Array[], length: number): Float64Array {
  const whole = new Float64Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A record that could not be converted to a line keeps its original bytes. */
function bytesOf({ ends, originals }: DecodedBatch, line: number): number {
  const begin = line === 0 ? 0 : ends[line - 1]!
  const original = originals.size === 0 ? undefined : originals.get(line)
  return ends[line]! - begin + (original?.bytes.length ?? 0)
}
