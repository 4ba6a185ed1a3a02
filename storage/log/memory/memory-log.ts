/**
 * The log in memory, for simulations and tests: the order of effects of the embedded log, with an await point between any two of
 * them, and the difficulties of other logs: holes, retention that overtakes a reader, re-creation. Several handles share one
 * `MemoryLogRecords`, as processes share a file; each has its own step hook.
 */
import { assertOffset, type Offset, type OffsetRange } from '#core/offsets.ts'
import { noSteps, type StepHook } from '#core/steps.ts'
import { type AppendedOnce, type AppendOnce, DEFAULT_KEY_LIMITS, type KeyLimits } from '../append-once.ts'
import {
  type AppendBatch,
  type ArrivalRun,
  type EventLog,
  LogRangeError,
  type ReadLimits,
  type RecordBatch,
} from '../event-log.ts'
import { KeptKeys } from '../kept-keys.ts'
import { assertMovable, assertPartition, blocksOf } from '../log-blocks.ts'
import {
  advanced,
  assertCursor,
  changed,
  newPosition,
  recordsOf,
  type SourceAppend,
  type SourceChange,
  type SourceLedger,
  SourceMovedError,
  type SourcePosition,
} from '../source-ledger.ts'

interface MemoryRecord {
  readonly offset: Offset
  readonly line: Buffer
  readonly atMs: number
  /** end of its append run: runs are trimmed as a whole */
  readonly runEnd: Offset
}

interface MemoryPartition {
  start: Offset
  end: Offset
  records: MemoryRecord[]
}

/** The contents of a log file. */
export interface MemoryLogRecords {
  readonly dataset: string
  /** how often it was created */
  created: number
  partitions: MemoryPartition[]
  readonly keys: KeptKeys
  readonly sources: Map<string, SourcePosition>
}

export function memoryLogRecords(options: {
  readonly partitions: number
  readonly dataset?: string
  readonly keys?: Partial<KeyLimits>
  /** of the keys, epoch ms */
  readonly clock?: () => number
}): MemoryLogRecords {
  const { partitions, dataset = 'memory', keys, clock = Date.now } = options
  const kept = new KeptKeys({ ...DEFAULT_KEY_LIMITS, ...keys }, clock)
  return { dataset, created: 1, partitions: emptyPartitions(partitions), keys: kept, sources: new Map() }
}

export interface MemoryLogOptions {
  readonly records: MemoryLogRecords
  readonly recordBytesMax?: number
  readonly step?: StepHook
  /** awaited between any two effects */
  readonly pause?: () => Promise<void>
  readonly clock?: () => number
}

export class MemoryLog implements EventLog {
  /** identity of the log when this handle was opened */
  readonly identity: string
  readonly partitions: number
  readonly #records: MemoryLogRecords
  readonly #limits: { readonly blockBytesMax: number; readonly recordBytesMax: number }
  readonly #step: StepHook
  readonly #pause: () => Promise<void>
  readonly #clock: () => number
  #closed = false

  constructor(options: MemoryLogOptions) {
    const { records } = options
    this.identity = `${records.dataset}-log-${records.created}`
    this.partitions = records.partitions.length
    this.#records = records
    this.#limits = { blockBytesMax: Number.POSITIVE_INFINITY, recordBytesMax: options.recordBytesMax ?? 1024 * 1024 }
    this.#step = options.step ?? noSteps
    this.#pause = options.pause ?? (() => Promise.resolve())
    this.#clock = options.clock ?? Date.now
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly OffsetRange[]> {
    return (await this.#append(batches, {})).ranges
  }

  async appendOnce(batches: readonly AppendBatch[], once: AppendOnce): Promise<AppendedOnce> {
    return this.#append(batches, { once })
  }

  readonly sources: SourceLedger = {
    list: async () => [...this.#records.sources.values()].toSorted((a, b) => (a.source < b.source ? -1 : 1)),
    claim: async (source) => this.#changeSource(source, {}),
    change: async (source, change) => this.#changeSource(source, change),
    append: async (batches, by) => {
      assertCursor(by.source, by.cursor)
      return (await this.#append(batches, { by })).ranges
    },
  }

  async #changeSource(source: string, change: SourceChange): Promise<SourcePosition> {
    this.#assertOpen()
    await this.#pause()
    const position = changed(this.#records.sources.get(source) ?? newPosition(source), change)
    this.#records.sources.set(source, position)
    return position
  }

  async #append(
    batches: readonly AppendBatch[],
    { once = null, by = null }: { readonly once?: AppendOnce | null; readonly by?: SourceAppend | null },
  ): Promise<AppendedOnce> {
    this.#assertOpen()
    for (const batch of batches) {
      assertPartition(this, batch.partition)
      blocksOf(batch, this.#limits)
    }
    // The caller may reuse its buffers afterwards.
    const copies = batches.map(({ partition, lines }) => ({ partition, lines: linesOf(Buffer.from(lines)) }))
    await this.#step('append:before-commit')
    await this.#pause()
    const atMs = this.#clock()
    const { keys, sources } = this.#records
    const position = by === null ? null : sources.get(by.source)
    if (by !== null && position?.epoch !== by.epoch) throw new SourceMovedError(by.source)
    const earlier = once === null ? null : keys.find(once)
    if (earlier !== null) return { ranges: earlier, repeated: true }
    if (once !== null && copies.length > 0) keys.assertRoom()
    const ranges = copies.map(({ partition, lines }) => addRun(this.#partition(partition), partition, lines, atMs))
    if (once !== null && ranges.length > 0) keys.add(once.key, { fingerprint: once.fingerprint, ranges, atMs })
    if (by !== null) sources.set(by.source, advanced(position!, by.cursor, recordsOf(batches), atMs))
    await this.#step('append:committed')
    await this.#pause()
    return { ranges, repeated: false }
  }

  async range(partition: number): Promise<OffsetRange> {
    this.#assertOpen()
    assertPartition(this, partition)
    await this.#pause()
    const { start, end } = this.#partition(partition)
    return { partition, start, end }
  }

  async read(partition: number, from: Offset, limits: ReadLimits): Promise<RecordBatch | null> {
    this.#assertOpen()
    assertPartition(this, partition)
    await this.#pause()
    const { start, end, records } = this.#partition(partition)
    if (assertOffset(from, 'reading the log') < start || from > end)
      throw new LogRangeError(from, { partition, start, end })
    const { before = Number.POSITIVE_INFINITY } = limits
    const first = records.findIndex((record) => record.offset >= from)
    const taken = first < 0 ? [] : takeRecords(records, first, limits)
    // Holes after the last record belong to the batch, so that a reader reaches the end.
    const next = first < 0 ? end : (records[first + taken.length]?.offset ?? end)
    const to = Math.min(next, before)
    return to > from ? batchOf(partition, from, to, taken) : null
  }

  async trim(partition: number, before: Offset, olderThanMs: number): Promise<Offset> {
    this.#assertOpen()
    assertPartition(this, partition)
    await this.#pause()
    const own = this.#partition(partition)
    const kept = own.records.find((record) => record.runEnd > before || record.atMs >= olderThanMs)
    this.dropBefore(partition, Math.max(own.start, kept?.offset ?? Math.min(before, own.end)))
    return this.#partition(partition).start
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  /** A hole: the next `count` offsets have no record, ever (as after an aborted transaction of Kafka). */
  skip(partition: number, count: number): void {
    this.#partition(partition).end += count
  }

  /** External retention: removes the records before `before`, even in the middle of a run. */
  dropBefore(partition: number, before: Offset): void {
    const own = this.#partition(partition)
    own.start = Math.max(own.start, Math.min(before, own.end))
    own.records = own.records.filter((record) => record.offset >= own.start)
  }

  async moveRecords(partition: number, from: Offset, to: Offset): Promise<void> {
    this.#assertOpen()
    await this.#pause()
    const own = this.#partition(partition)
    assertMovable({ partition, start: own.start, end: own.end }, from, to)
    this.dropBefore(partition, from)
    const by = to - from
    own.records = own.records.map((record) => ({
      ...record,
      offset: record.offset + by,
      runEnd: record.runEnd + by,
    }))
    own.start = to
    own.end += by
  }

  /** As after a restore from an older copy: the records from `end` on are gone, and their offsets are given again. */
  cut(partition: number, end: Offset): void {
    const own = this.#partition(partition)
    own.end = Math.max(own.start, Math.min(own.end, end))
    own.records = own.records
      .filter((record) => record.offset < own.end)
      .map((record) => ({ ...record, runEnd: Math.min(record.runEnd, own.end) }))
  }

  /** Re-creates the log: it is empty, offsets restart at 0, and handles opened from now on see another identity. */
  recreate(): void {
    this.#records.created++
    this.#records.keys.clear()
    this.#records.sources.clear()
    this.#records.partitions = emptyPartitions(this.#records.partitions.length)
  }

  #partition(partition: number): MemoryPartition {
    return this.#records.partitions[partition]!
  }

  #assertOpen(): void {
    if (this.#closed) throw new Error(`log of '${this.#records.dataset}' in memory: it is closed`)
  }
}

function emptyPartitions(count: number): MemoryPartition[] {
  return Array.from({ length: count }, () => ({ start: 0, end: 0, records: [] }))
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(10, at) + 1
    lines.push(bytes.subarray(at, end))
    at = end
  }
  return lines
}

function addRun(to: MemoryPartition, partition: number, lines: readonly Buffer[], atMs: number): OffsetRange {
  const start = to.end
  to.end += lines.length
  for (const [index, line] of lines.entries()) to.records.push({ offset: start + index, line, atMs, runEnd: to.end })
  return { partition, start, end: to.end }
}

function takeRecords(records: readonly MemoryRecord[], first: number, limits: ReadLimits): MemoryRecord[] {
  const taken: MemoryRecord[] = []
  let bytes = 0
  for (const record of records.slice(first)) {
    bytes += record.line.length
    if (limits.before !== undefined && record.offset >= limits.before) break
    if (taken.length > 0 && (taken.length >= limits.recordsMax || bytes > limits.bytesMax)) break
    taken.push(record)
  }
  return taken
}

function batchOf(partition: number, start: Offset, end: Offset, records: readonly MemoryRecord[]): RecordBatch {
  const arrivals: ArrivalRun[] = []
  for (const [index, { atMs, runEnd }] of records.entries()) {
    const before = records[index - 1]
    if (before?.runEnd === runEnd) arrivals.push({ count: arrivals.pop()!.count + 1, atMs })
    else arrivals.push({ count: 1, atMs })
  }
  const offsets = end - start === records.length ? null : Float64Array.from(records, (record) => record.offset)
  const lines = Buffer.concat(records.map((record) => record.line))
  return { partition, start, end, lines, count: records.length, offsets, arrivals }
}
