/**
 * Port: where events come from. A source reads records from a cursor on, and says with them where to go on. Whoever runs it stores that
 * cursor with the records, in one append, so that a restart neither loses nor repeats where the other side can resume.
 */

/** Where to go on, in the source's own words: any JSON value. */
export type SourceCursor =
  | string
  | number
  | boolean
  | null
  | readonly SourceCursor[]
  | { readonly [name: string]: SourceCursor }

/** A record that was longer than the limit, or is not whole: its beginning is kept as a dead letter. */
export interface LongRecord {
  /** its first bytes */
  readonly first: Buffer
  /** of the whole record, as far as they were counted */
  readonly bytes: number
  /** default: it is longer than the limit */
  readonly why?: string
}

/** Records that were read together, in order. */
export interface SourceBatch {
  /** the bytes of one event each, valid or not; line breaks in them become spaces, blank ones are left out */
  readonly records: readonly (Buffer | LongRecord)[]
  /** where to go on after the last of them; undefined: where the batch before said */
  readonly cursor?: SourceCursor
  /** time of the newest record by the other side's clock, epoch ms, if it is known: for the lag */
  readonly newestMs?: number
}

/** What a source tells while it reads. */
export interface SourceWatch {
  /** it is connected, and records may come at any time */
  connected(): void
  /** it is not connected on purpose, for example until the next poll; `why` is for people */
  waiting(why: string): void
}

export interface SourceLimits {
  /** one record */
  readonly recordBytesMax: number
  /** records of one batch */
  readonly batchRecordsMax: number
}

export interface ReadOptions {
  /** ends the reading at once */
  readonly signal: AbortSignal
  readonly limits: SourceLimits
  readonly watch: SourceWatch
}

/** What a restart does to the events of a source. */
export type Resumption =
  /** nothing is lost or repeated */
  | 'exact'
  /** what the other side sends while nobody reads is lost */
  | 'from-now'

export interface EventSource {
  readonly resumption: Resumption
  /**
   * Reads from the cursor on; null: from where a new source begins. The next batch is read when it is asked for, so a slow log slows
   * the other side down. It ends when the other side has ended; the caller then reads again, after a pause.
   * @throws SourceFault, or any other error: the caller reads again, with growing pauses
   */
  read(from: SourceCursor | null, options: ReadOptions): AsyncIterable<SourceBatch>
}

/** Why reading ended. */
export class SourceFault extends Error {
  /** the other side named the earliest time at which it may be asked again; null: it did not */
  readonly retryAfterMs: number | null
  /** trying again does not help: a person must act */
  readonly isRefusal: boolean
  constructor(
    message: string,
    options: { readonly retryAfterMs?: number | null; readonly isRefusal?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'SourceFault'
    this.retryAfterMs = options.retryAfterMs ?? null
    this.isRefusal = options.isRefusal ?? false
  }
}
