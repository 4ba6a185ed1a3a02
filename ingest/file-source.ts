/** Ingests a file or stdin with bounded memory: one offer per batch of records; rejected records are reported by number. */
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { releaseMemory } from '#core/release-memory.ts'
import { BatchedRecords } from './batched-records.ts'
import { type Chunk, ChunkReader, type Chunks } from './chunk-reader.ts'
import { InflatingReader } from './formats/inflate.ts'
import type { Recognised } from './formats/recognise.ts'
import { type FormatOptions, RecognisingSplitter } from './formats/recognising-splitter.ts'
import type { NumberedRecord, RecordSplitter, RecordUnit } from './formats/records.ts'
import { type Intake, IntakeBusyError, type IntakeResult } from './intake.ts'
import { LineSplitter } from './ndjson-lines.ts'
import { type OpenedInput, openInput } from './open-input.ts'
import type { ReplayPace } from './replay-pace.ts'
import type { Rows } from './rows.ts'

export interface FileProgress {
  readonly bytesRead: number
  /** null for stdin and pipes */
  readonly bytesTotal: number | null
  readonly accepted: number
  readonly rejected: number
}

export interface FileReject {
  /** number of the line where the record begins, or of the element or row; starts at 1, and blank lines count */
  readonly line: number
  readonly reason: string
}

export interface FileResult {
  /** what `linesSettled`, `unfinishedLine` and the rejects count: lines of a text, elements of a JSON array, or rows of a table */
  readonly unit: RecordUnit
  /** acknowledged: durable in the log */
  readonly accepted: number
  readonly rejected: number
  /** accepted lines that fail validation (only with acceptUnusable): they become dead letters if the engine cannot use them either */
  readonly unusable: number
  /** column → accepted lines in which its value could not be converted */
  readonly unconverted: Readonly<Record<string, number>>
  /** the first rejects, at most REJECTS_SHOWN_MAX */
  readonly rejects: readonly FileReject[]
  /** every line up to this one is accepted, rejected or blank; no later line is in the log */
  readonly linesSettled: number
  /** whether the signal ended it early */
  readonly interrupted: boolean
  /** the line that a pipe had delivered only in part when the signal came, and that was not taken therefore; else null */
  readonly unfinishedLine: number | null
}

export const REJECTS_SHOWN_MAX = 1_000
const BATCH_ROWS_MAX = 2_000
const BATCH_BYTES_MAX = 4 * 1024 * 1024
/** a slow input's lines are offered after this time, although there is room for more in the batch */
const HELD_MS_MAX = 500
/** events that are due within this time are offered together */
const DUE_MS_MIN = 5
/** after the signal: a pipe that delivers nothing for this long is empty */
const REST_QUIET_MS = 50
/** after the signal: what a pipe holds at most, unless its limits were raised; a fast writer would never let it become empty */
const REST_BYTES_MAX = 1024 * 1024

export interface FileSourceOptions extends FormatOptions {
  /** records up to this line, element or row are left out: those that an earlier run has settled. The header of a CSV file is still read */
  readonly after?: number
  /** which format was recognised */
  readonly onRecognised?: (format: Recognised) => void
  readonly acceptUnusable?: boolean
  /** replays events by their time */
  readonly pace?: ReplayPace
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: FileProgress) => void
  /** waits before a batch is offered again to a busy intake; default: a timer that the signal cancels */
  readonly wait?: (ms: number) => Promise<void>
  /** read for '-'; default: process.stdin. Like any pipe, it cannot be read again: on the signal, all that it holds is taken */
  readonly stdin?: Readable
}

/** Reading failed, or the log did not accept a batch; the message says which lines are in the log. */
export class FileSourceError extends Error {
  readonly accepted: number
  readonly linesSettled: number
  constructor(path: string, unit: RecordUnit, cause: Error, accepted: number, linesSettled: number) {
    super(
      `${path}, after ${unit} ${linesSettled}: ${cause.message}; ${accepted} events up to that ${unit} are in the log; continue after it with --after ${linesSettled}`,
      { cause },
    )
    this.name = 'FileSourceError'
    this.accepted = accepted
    this.linesSettled = linesSettled
  }
}

/**
 * Offers every event of the file ('-': stdin), in order, one batch at a time. On the signal, a file is left at the end of a batch; of
 * a pipe, every line that was written to it is still offered.
 * @throws FileSourceError if the file cannot be read or the log does not accept events
 */
export async function ingestFile(intake: Intake, path: string, options: FileSourceOptions = {}): Promise<FileResult> {
  let run: FileRun | null = null
  try {
    const input = await openInput(path, options.stdin)
    run = new FileRun(intake, options, path, input)
    await run.take()
    return run.result()
  } catch (error) {
    const { unit, accepted, linesSettled } = run?.result() ?? { unit: 'line', accepted: 0, linesSettled: 0 }
    throw new FileSourceError(path, unit, error as Error, accepted, linesSettled)
  }
}

class FileRun {
  readonly #intake: Intake
  readonly #options: FileSourceOptions
  readonly #input: OpenedInput
  readonly #reader: InflatingReader
  /** what ends an offer that waits for room: only the lines of a file can be read again */
  readonly #letsGo: AbortSignal | undefined
  readonly #splitter: RecordSplitter
  readonly #rejects: FileReject[] = []
  #accepted = 0
  #settled = 0
  #rejected = 0
  #unusable = 0
  readonly #unconverted = new Map<string, number>()
  readonly #batch: BatchedRecords
  #batchSinceMs = 0
  #finished = false
  #unfinishedLine: number | null = null

  constructor(intake: Intake, options: FileSourceOptions, path: string, input: OpenedInput) {
    this.#intake = intake
    this.#options = options
    this.#input = input
    this.#batch = new BatchedRecords(options.acceptUnusable ?? false)
    this.#reader = new InflatingReader(new ChunkReader(input.stream))
    this.#letsGo = input.isFile ? options.signal : undefined
    const { recordBytesMax } = intake.limits
    this.#splitter = input.isTable
      ? new LineSplitter(recordBytesMax, 'row')
      : new RecognisingSplitter(path, recordBytesMax, options, options.onRecognised)
  }

  async take(): Promise<void> {
    const { signal } = this.#options
    const reader = this.#reader
    try {
      while (!signal?.aborted) {
        const chunk = await this.#next(reader, this.#offerDueInMs, signal)
        if (chunk === 'end') return await this.#finish()
        if (chunk !== 'pause') await this.#split(chunk)
        // Read from the file for this only.
        if (chunk !== 'pause' && this.#input.isFile && reader.compression === null) releaseMemory(chunk)
        if (this.#offerDueInMs <= 0) await this.#offer()
      }
      if (!this.#input.isFile) await this.#takeRest(reader)
    } finally {
      reader.stop()
    }
  }

  result(): FileResult {
    return {
      unit: this.#splitter.unit,
      accepted: this.#accepted,
      linesSettled: this.#settled,
      rejected: this.#rejected,
      unusable: this.#unusable,
      unconverted: Object.fromEntries(this.#unconverted),
      rejects: this.#rejects,
      interrupted: !this.#finished,
      unfinishedLine: this.#unfinishedLine,
    }
  }

  /** If the input fails, the lines before the fault are offered before it is reported. */
  async #next(reader: Chunks, waitMs: number, signal?: AbortSignal): Promise<Chunk> {
    try {
      return await reader.next(waitMs, signal)
    } catch (error) {
      await this.#offer()
      throw error
    }
  }

  async #finish(): Promise<void> {
    await this.#addAll(() => this.#splitter.end(false))
    this.#finished = await this.#offer()
    if (this.#finished) this.#settled = this.#splitter.ended
  }

  /** What was written before the signal is taken, as far as its lines are whole: the writer cannot know that nobody read it. */
  async #takeRest(reader: InflatingReader): Promise<void> {
    for (const untilBytes = reader.bytesRead + REST_BYTES_MAX; reader.bytesRead < untilBytes; ) {
      const chunk = await this.#next(reader, REST_QUIET_MS)
      if (typeof chunk === 'string') break
      await this.#split(chunk)
    }
    for (const chunk of reader.stop()) await this.#split(chunk)
    for (const record of this.#splitter.end(true)) {
      if (isWholeEvent(record)) await this.#add(record)
      else this.#unfinishedLine = record.number
    }
    await this.#offer()
  }

  async #split(chunk: Buffer): Promise<void> {
    await this.#addAll(() => this.#splitter.push(chunk))
  }

  /** What is wrong with the text as a whole, behind some record, is reported when the records before it were offered. */
  async #addAll(records: () => Iterable<NumberedRecord>): Promise<void> {
    try {
      for (const record of records()) {
        // Most are added at once: a promise for each would cost more than that.
        const adding = this.#add(record)
        if (adding !== null) await adding
        if (this.#letsGo?.aborted) return
      }
    } catch (error) {
      if (error instanceof SyntaxError) await this.#offer()
      throw error
    }
  }

  get #offerDueInMs(): number {
    if (this.#batch.count === 0) return Number.POSITIVE_INFINITY
    return HELD_MS_MAX - (performance.now() - this.#batchSinceMs)
  }

  /** null: it is in the batch, or left out */
  #add(record: NumberedRecord): Promise<void> | null {
    if (record.number <= (this.#options.after ?? 0)) return null
    const { rowsMax, inFlightBytesMax } = this.#intake.limits
    const full =
      this.#batch.count >= Math.min(BATCH_ROWS_MAX, rowsMax) ||
      this.#batch.bytes + (record.bytes?.length ?? 0) + 1 > Math.min(BATCH_BYTES_MAX, inFlightBytesMax)
    if (full || this.#options.pace !== undefined) return this.#addInTime(record, full)
    this.#put(record)
    return null
  }

  /** When it is due, and there is room. */
  async #addInTime(record: NumberedRecord, full: boolean): Promise<void> {
    await this.#untilDue(record)
    if (this.#letsGo?.aborted) return
    if (full) await this.#offer()
    this.#put(record)
  }

  #put(record: NumberedRecord): void {
    if (this.#batch.count === 0) this.#batchSinceMs = performance.now()
    this.#batch.add(record)
  }

  /** Whatever waits goes first: it was due before. */
  async #untilDue({ bytes, fault }: NumberedRecord): Promise<void> {
    const { pace, signal } = this.#options
    const dueInMs = bytes === null || fault !== undefined ? 0 : (pace?.dueInMs(bytes) ?? 0)
    if (dueInMs < DUE_MS_MIN) return
    await this.#offer()
    await sleep(dueInMs, undefined, { signal }).catch(() => {})
  }

  /** Offers the batch: accepted lines are durable when this returns true. false: the signal came first, and nothing was offered. */
  async #offer(): Promise<boolean> {
    const batch = this.#batch
    if (batch.count === 0) return true
    const result = await this.#offerUntilTaken(batch.rows())
    if (result === null) return false
    this.#reject(result)
    this.#accepted += result.accepted
    this.#unusable += result.unusable
    for (const { column, events } of result.warnings)
      this.#unconverted.set(column, (this.#unconverted.get(column) ?? 0) + events)
    this.#settled = batch.settled
    batch.empty()
    this.#options.onProgress?.({
      bytesRead: this.#reader.bytesRead,
      bytesTotal: this.#input.bytesTotal,
      accepted: this.#accepted,
      rejected: this.#rejected,
    })
    return true
  }

  #reject({ verdicts }: IntakeResult): void {
    const tooLong = `the ${this.#splitter.unit} is longer than recordBytesMax = ${this.#intake.limits.recordBytesMax} bytes`
    const rejects = [
      ...this.#batch.unoffered.map(({ number, fault }) => ({ line: number, reason: fault ?? tooLong })),
      ...verdicts.flatMap((verdict) =>
        verdict.status === 'rejected' ? [{ line: this.#batch.numberOf(verdict.index), reason: verdict.reason }] : [],
      ),
    ].sort((one, other) => one.line - other.line)
    this.#rejected += rejects.length
    this.#rejects.push(...rejects.slice(0, REJECTS_SHOWN_MAX - this.#rejects.length))
  }

  /** null: the signal came while the intake was busy */
  async #offerUntilTaken(rows: Rows): Promise<IntakeResult | null> {
    const { acceptUnusable } = this.#options
    const signal = this.#letsGo
    const wait = this.#options.wait ?? ((ms) => sleep(ms, undefined, { signal }).catch(() => {}))
    while (!signal?.aborted) {
      try {
        return await this.#intake.offer(rows, { acceptUnusable, verdicts: 'rejected' })
      } catch (error) {
        if (!(error instanceof IntakeBusyError)) throw error
        await wait(error.retryAfterMs)
      }
    }
    return null
  }
}

/** A part of a line is not taken for a line: the beginning of a JSON object is not valid JSON. */
function isWholeEvent({ bytes, fault }: NumberedRecord): boolean {
  if (bytes === null || fault !== undefined) return false
  try {
    return typeof JSON.parse(bytes.toString()) === 'object'
  } catch {
    return false
  }
}
