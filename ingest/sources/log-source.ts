/**
 * Source: a log that others write, such as an existing Kafka topic, beside the dataset's own one. The offset of each partition is the cursor,
 * so that every record is in the dataset's log once.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { framed } from '#core/framed-record.ts'
import type { Offset } from '#core/offsets.ts'
import { type EventLog, LogRangeError, type RecordBatch } from '#storage/log/event-log.ts'
import { type EventSource, type ReadOptions, type SourceBatch, type SourceCursor, SourceFault } from './event-source.ts'

export interface LogSourceOptions {
  /** for people: Kafka topic 'orders' */
  readonly name: string
  /** opens the log; it is closed when reading ends */
  readonly open: () => Promise<EventLog>
  /** where a new source begins. Default 'earliest' */
  readonly begin?: 'earliest' | 'latest'
  /** told when everything was given that was in the log */
  readonly onCaughtUp?: () => void
}

interface LogCursor {
  /** identity of the log */
  readonly log: string
  /** next offset of each partition */
  readonly next: readonly Offset[]
}

const READ_BYTES_MAX = 2 * 1024 * 1024
const [IDLE_MS_FIRST, IDLE_MS_MAX] = [20, 250]
const NEWLINE = 10

export class LogSource implements EventSource {
  readonly resumption = 'exact'
  readonly #options: LogSourceOptions

  constructor(options: LogSourceOptions) {
    this.#options = options
  }

  async *read(from: SourceCursor | null, options: ReadOptions): AsyncGenerator<SourceBatch> {
    const log = await this.#options.open()
    try {
      const next = await this.#begin(log, from as LogCursor | null)
      // Where it began is known from now on, also if nothing comes.
      yield { records: [], cursor: cursorOf(log, next) }
      options.watch.connected()
      for (let idleMs = IDLE_MS_FIRST; !options.signal.aborted; ) {
        let isIdle = true
        for (let partition = 0; partition < log.partitions && !options.signal.aborted; partition++) {
          const batch = await this.#next(log, partition, next, options)
          if (batch === null) continue
          isIdle = false
          yield batch
        }
        if (isIdle) this.#options.onCaughtUp?.()
        if (isIdle) await sleep(idleMs, undefined, { signal: options.signal }).catch(() => {})
        idleMs = isIdle ? Math.min(2 * idleMs, IDLE_MS_MAX) : IDLE_MS_FIRST
      }
    } finally {
      await log.close()
    }
  }

  async #begin(log: EventLog, from: LogCursor | null): Promise<Offset[]> {
    if (from !== null) {
      if (from.log === log.identity) return [...from.next]
      throw new SourceFault(
        `${this.#options.name} is not the one that was read before: it was deleted and created again; reset the source to read it`,
        {
          isRefusal: true,
        },
      )
    }
    const ranges = await Promise.all(Array.from({ length: log.partitions }, (_, partition) => log.range(partition)))
    return ranges.map(({ start, end }) => (this.#options.begin === 'latest' ? end : start))
  }

  /** null: there is nothing yet */
  async #next(log: EventLog, partition: number, next: Offset[], { limits }: ReadOptions): Promise<SourceBatch | null> {
    // A partition that was added later is read from its beginning.
    next[partition] ??= (await log.range(partition)).start
    const from = next[partition]
    try {
      const batch = await log.read(partition, from, { bytesMax: READ_BYTES_MAX, recordsMax: limits.batchRecordsMax })
      if (batch === null) return null
      next[partition] = batch.end
      return { records: recordsOf(batch), cursor: cursorOf(log, next), newestMs: batch.arrivals.at(-1)?.atMs }
    } catch (error) {
      if (!(error instanceof LogRangeError)) throw error
      const { start, end } = error.range
      const where = `${this.#options.name}, partition ${partition}`
      if (from > end)
        throw new SourceFault(
          `${where}: it ends at offset ${end}, but was read up to ${from} before: it lost records; reset the source to read on`,
          {
            isRefusal: true,
          },
        )
      next[partition] = start
      const reason = `${where}: the offsets ${from} to ${start - 1} were removed before they were read`
      return { records: [framed({ reason, bytes: Buffer.alloc(0) })], cursor: cursorOf(log, next) }
    }
  }
}

function cursorOf({ identity }: EventLog, next: readonly Offset[]): SourceCursor {
  return { log: identity, next: [...next] } satisfies LogCursor
}

/** What is not a line stays with its bytes and the reason. */
function recordsOf({ lines, count, originals }: RecordBatch): Buffer[] {
  const records: Buffer[] = []
  let at = 0
  for (let line = 0; line < count; line++) {
    const end = lines.indexOf(NEWLINE, at)
    const original = originals?.get(line)
    if (original === undefined || original.reason === null) records.push(lines.subarray(at, end))
    else records.push(framed({ reason: original.reason, bytes: original.bytes }))
    at = end + 1
  }
  return records
}
