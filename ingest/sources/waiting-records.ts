/** Records that were read and are not in the log yet: bounded, so that the reader waits for the log. */
import { framed } from '#core/framed-record.ts'
import { isBlank, onOneLine } from '#core/json-bytes.ts'
import type { LongRecord, SourceBatch, SourceCursor } from './event-source.ts'

export interface WaitingLimits {
  readonly recordsMax: number
  readonly bytesMax: number
}

/** What is appended at once. */
export interface TakenRecords {
  /** one event each, without line breaks */
  readonly rows: readonly Buffer[]
  /** undefined: none of its batches had one */
  readonly cursor: SourceCursor | undefined
  readonly newestMs: number | null
}

const LINE_FEED = 10

export class WaitingRecords {
  readonly #limits: WaitingLimits
  #rows: Buffer[] = []
  #bytes = 0
  #cursor: SourceCursor | undefined
  #newestMs: number | null = null
  #changed = Promise.withResolvers<void>()

  constructor(limits: WaitingLimits) {
    this.#limits = limits
  }

  get isEmpty(): boolean {
    return this.#rows.length === 0 && this.#cursor === undefined
  }

  get isFull(): boolean {
    return this.#rows.length >= this.#limits.recordsMax || this.#bytes >= this.#limits.bytesMax
  }

  /** Resolves when something was added or taken since it was asked for. */
  get changed(): Promise<void> {
    return this.#changed.promise
  }

  /** @param recordBytesMax for the reason of dead letters */
  add({ records, cursor, newestMs }: SourceBatch, recordBytesMax: number): void {
    for (const record of records) {
      const row = Buffer.isBuffer(record) ? record : framed(reasonOf(record, recordBytesMax))
      if (isBlank(row)) continue
      this.#rows.push(row.includes(LINE_FEED) ? onOneLine(row) : row)
      this.#bytes += row.length
    }
    if (cursor !== undefined) this.#cursor = cursor
    if (newestMs !== undefined) this.#newestMs = newestMs
    this.wake()
  }

  /** Resolves when they are full, after `ms`, or on the signal. */
  async linger(ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController()
    const timer = setTimeout(() => {
      over.abort()
      this.wake()
    }, ms)
    while (!this.isFull && !signal.aborted && !over.signal.aborted) await this.changed
    clearTimeout(timer)
  }

  /** Whoever waits for a change looks again. */
  wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }

  /** All of them: later ones go into the next append. */
  take(): TakenRecords {
    const taken = { rows: this.#rows, cursor: this.#cursor, newestMs: this.#newestMs }
    this.#rows = []
    this.#bytes = 0
    this.#cursor = undefined
    this.#newestMs = null
    this.wake()
    return taken
  }
}

function reasonOf(
  { first, bytes, why }: LongRecord,
  recordBytesMax: number,
): { readonly reason: string; readonly bytes: Buffer } {
  const limit = `the record has ${bytes} bytes or more, but the limit recordBytesMax is ${recordBytesMax}`
  const reason = why === undefined ? limit : `the record is not whole: ${why}, after ${bytes} bytes`
  return { reason: `${reason}; its first ${first.length} bytes are kept`, bytes: first }
}
