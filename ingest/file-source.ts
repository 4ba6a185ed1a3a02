/** Ingests a file or stdin with bounded memory: one offer per batch of lines; rejected lines are reported by number. */
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Chunk, ChunkReader } from './chunk-reader.ts'
import { type Intake, IntakeBusyError, type IntakeResult } from './intake.ts'
import { LineSplitter, type NumberedLine } from './ndjson-lines.ts'
import { openInput } from './open-input.ts'

export interface FileProgress {
  readonly bytesRead: number
  /** null for stdin and pipes */
  readonly bytesTotal: number | null
  readonly accepted: number
  readonly rejected: number
}

export interface FileReject {
  /** starts at 1; blank lines count */
  readonly line: number
  readonly reason: string
}

export interface FileResult {
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
/** after the signal: a pipe that delivers nothing for this long is empty */
const REST_QUIET_MS = 50
/** after the signal: what a pipe holds at most, unless its limits were raised; a fast writer would never let it become empty */
const REST_BYTES_MAX = 1024 * 1024

export interface FileSourceOptions {
  readonly acceptUnusable?: boolean
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
  constructor(path: string, cause: Error, accepted: number, linesSettled: number) {
    super(
      `${path}, after line ${linesSettled}: ${cause.message}; ${accepted} events up to that line are in the log; continue after it`,
      { cause },
    )
    this.name = 'FileSourceError'
    this.accepted = accepted
    this.linesSettled = linesSettled
  }
}

/**
 * Offers every line of the file ('-': stdin), in order, one batch at a time. On the signal, a file is left at the end of a batch; of
 * a pipe, every line that was written to it is still offered.
 * @throws FileSourceError if the file cannot be read or the log does not accept events
 */
export async function ingestFile(intake: Intake, path: string, options: FileSourceOptions = {}): Promise<FileResult> {
  const settled = { accepted: 0, linesSettled: 0 }
  try {
    const file = path === '-' ? null : await stat(path)
    const run = new FileRun(intake, options, file?.isFile() ? file.size : null, settled)
    await run.take(file === null ? (options.stdin ?? process.stdin) : openInput(path, file))
    return run.result()
  } catch (error) {
    throw new FileSourceError(path, error as Error, settled.accepted, settled.linesSettled)
  }
}

/** What is certain so far, also when the run ends with a fault. */
type Settled = { -readonly [Name in 'accepted' | 'linesSettled']: FileResult[Name] }

class FileRun {
  readonly #settled: Settled
  readonly #intake: Intake
  readonly #options: FileSourceOptions
  readonly #bytesTotal: number | null
  /** what ends an offer that waits for room: only the lines of a file can be read again */
  readonly #letsGo: AbortSignal | undefined
  readonly #splitter: LineSplitter
  readonly #rejects: FileReject[] = []
  #rejected = 0
  #unusable = 0
  readonly #unconverted = new Map<string, number>()
  #bytesRead = 0
  #batch: NumberedLine[] = []
  #batchBytes = 0
  #batchSinceMs = 0
  #finished = false
  #unfinishedLine: number | null = null

  /** @param bytesTotal of a file; null: a pipe */
  constructor(intake: Intake, options: FileSourceOptions, bytesTotal: number | null, settled: Settled) {
    this.#settled = settled
    this.#intake = intake
    this.#options = options
    this.#bytesTotal = bytesTotal
    this.#letsGo = bytesTotal === null ? undefined : options.signal
    this.#splitter = new LineSplitter(intake.limits.recordBytesMax)
  }

  async take(input: Readable): Promise<void> {
    const { signal } = this.#options
    const reader = new ChunkReader(input)
    try {
      while (!signal?.aborted) {
        const chunk = await this.#next(reader, this.#offerDueInMs, signal)
        if (chunk === 'end') return await this.#finish()
        if (chunk !== 'pause') await this.#split(chunk)
        if (this.#offerDueInMs <= 0) await this.#offer()
      }
      if (this.#bytesTotal === null) await this.#takeRest(reader)
    } finally {
      reader.stop()
    }
  }

  result(): FileResult {
    return {
      ...this.#settled,
      rejected: this.#rejected,
      unusable: this.#unusable,
      unconverted: Object.fromEntries(this.#unconverted),
      rejects: this.#rejects,
      interrupted: !this.#finished,
      unfinishedLine: this.#unfinishedLine,
    }
  }

  /** If the input fails, the lines before the fault are offered before it is reported. */
  async #next(reader: ChunkReader, waitMs: number, signal?: AbortSignal): Promise<Chunk> {
    try {
      return await reader.next(waitMs, signal)
    } catch (error) {
      await this.#offer()
      throw error
    }
  }

  async #finish(): Promise<void> {
    for (const line of this.#splitter.end()) await this.#add(line)
    this.#finished = await this.#offer()
    if (this.#finished) this.#settled.linesSettled = this.#splitter.lines
  }

  /** What was written before the signal is taken, as far as its lines are whole: the writer cannot know that nobody read it. */
  async #takeRest(reader: ChunkReader): Promise<void> {
    for (const untilBytes = this.#bytesRead + REST_BYTES_MAX; this.#bytesRead < untilBytes; ) {
      const chunk = await this.#next(reader, REST_QUIET_MS)
      if (typeof chunk === 'string') break
      await this.#split(chunk)
    }
    for (const chunk of reader.stop()) await this.#split(chunk)
    for (const line of this.#splitter.end()) {
      if (isWholeEvent(line)) await this.#add(line)
      else this.#unfinishedLine = line.number
    }
    await this.#offer()
  }

  async #split(chunk: Buffer): Promise<void> {
    this.#bytesRead += chunk.length
    for (const line of this.#splitter.push(chunk)) {
      await this.#add(line)
      if (this.#letsGo?.aborted) return
    }
  }

  get #offerDueInMs(): number {
    if (this.#batch.length === 0) return Number.POSITIVE_INFINITY
    return HELD_MS_MAX - (performance.now() - this.#batchSinceMs)
  }

  async #add(line: NumberedLine): Promise<void> {
    const bytes = line.bytes?.length ?? 0
    const { rowsMax, inFlightBytesMax } = this.#intake.limits
    const full =
      this.#batch.length >= Math.min(BATCH_ROWS_MAX, rowsMax) ||
      this.#batchBytes + bytes + 1 > Math.min(BATCH_BYTES_MAX, inFlightBytesMax)
    if (full) await this.#offer()
    if (this.#batch.length === 0) this.#batchSinceMs = performance.now()
    this.#batch.push(line)
    this.#batchBytes += bytes + 1
  }

  /** Offers the batch: accepted lines are durable when this returns true. false: the signal came first, and nothing was offered. */
  async #offer(): Promise<boolean> {
    if (this.#batch.length === 0) return true
    const whole = this.#batch.filter((line) => line.bytes !== null)
    const result = await this.#offerUntilTaken(whole.map((line) => line.bytes!))
    if (result === null) return false
    const reasons = new Map(
      result.verdicts.flatMap((verdict) =>
        verdict.status === 'rejected' ? [[whole[verdict.index]!.number, verdict.reason] as const] : [],
      ),
    )
    for (const { number, bytes } of this.#batch) {
      const tooLong = `the line is longer than recordBytesMax = ${this.#intake.limits.recordBytesMax} bytes`
      const reason = bytes === null ? tooLong : reasons.get(number)
      if (reason === undefined) continue
      this.#rejected++
      if (this.#rejects.length < REJECTS_SHOWN_MAX) this.#rejects.push({ line: number, reason })
    }
    this.#settled.accepted += result.accepted
    this.#unusable += result.unusable
    for (const { column, events } of result.warnings)
      this.#unconverted.set(column, (this.#unconverted.get(column) ?? 0) + events)
    this.#settled.linesSettled = this.#batch.at(-1)?.number ?? this.#settled.linesSettled
    this.#batch = []
    this.#batchBytes = 0
    this.#options.onProgress?.({
      bytesRead: this.#bytesRead,
      bytesTotal: this.#bytesTotal,
      accepted: this.#settled.accepted,
      rejected: this.#rejected,
    })
    return true
  }

  /** null: the signal came while the intake was busy */
  async #offerUntilTaken(rows: readonly Buffer[]): Promise<IntakeResult | null> {
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
function isWholeEvent({ bytes }: NumberedLine): boolean {
  if (bytes === null) return false
  try {
    return typeof JSON.parse(bytes.toString()) === 'object'
  } catch {
    return false
  }
}
