/** Ingests a file or stdin with bounded memory: one offer per batch of lines; rejected lines are reported by number. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Intake, IntakeBusyError, type IntakeResult } from './intake.ts'
import { LineSplitter, type NumberedLine } from './ndjson-lines.ts'

export interface FileProgress {
  readonly bytesRead: number
  /** null for stdin */
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
  /** the first rejects, at most REJECTS_SHOWN_MAX */
  readonly rejects: readonly FileReject[]
  /** every line up to this one is accepted, rejected or blank; no later line is in the log */
  readonly linesSettled: number
  /** whether the signal ended it early */
  readonly interrupted: boolean
}

export const REJECTS_SHOWN_MAX = 1_000
const BATCH_ROWS_MAX = 2_000
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const CHUNK_BYTES = 256 * 1024

export interface FileSourceOptions {
  readonly acceptUnusable?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: FileProgress) => void
  /** waits before a batch is offered again to a busy intake; default: a timer that the signal cancels */
  readonly wait?: (ms: number) => Promise<void>
  /** read for '-'; default: process.stdin */
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
 * Offers every line of the file ('-': stdin), in order, one batch at a time.
 * @throws FileSourceError if the file cannot be read or the log does not accept events
 */
export async function ingestFile(intake: Intake, path: string, options: FileSourceOptions = {}): Promise<FileResult> {
  const run = new FileRun(intake, options)
  try {
    run.bytesTotal = path === '-' ? null : (await stat(path)).size
    const input =
      path === '-' ? (options.stdin ?? process.stdin) : createReadStream(path, { highWaterMark: CHUNK_BYTES })
    await run.take(input)
  } catch (error) {
    if (!options.signal?.aborted) throw new FileSourceError(path, error as Error, run.accepted, run.linesSettled)
  }
  return run.result()
}

class FileRun {
  bytesTotal: number | null = null
  accepted = 0
  linesSettled = 0
  readonly #intake: Intake
  readonly #options: FileSourceOptions
  readonly #splitter: LineSplitter
  readonly #rejects: FileReject[] = []
  #rejected = 0
  #unusable = 0
  #bytesRead = 0
  #batch: NumberedLine[] = []
  #batchBytes = 0
  #finished = false

  constructor(intake: Intake, options: FileSourceOptions) {
    this.#intake = intake
    this.#options = options
    this.#splitter = new LineSplitter(intake.limits.recordBytesMax)
  }

  async take(input: Readable): Promise<void> {
    const { signal } = this.#options
    const stop = (): void => void input.destroy()
    signal?.addEventListener('abort', stop, { once: true })
    try {
      if (signal?.aborted) stop()
      for await (const chunk of input as AsyncIterable<Buffer>) {
        this.#bytesRead += chunk.length
        for (const line of this.#splitter.push(chunk)) {
          await this.#add(line)
          if (signal?.aborted) return
        }
      }
      if (signal?.aborted) return
      for (const line of this.#splitter.end()) await this.#add(line)
      this.#finished = await this.#offer()
      if (this.#finished) this.linesSettled = this.#splitter.lines
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  result(): FileResult {
    return {
      accepted: this.accepted,
      rejected: this.#rejected,
      unusable: this.#unusable,
      rejects: this.#rejects,
      linesSettled: this.linesSettled,
      interrupted: !this.#finished,
    }
  }

  async #add(line: NumberedLine): Promise<void> {
    const bytes = line.bytes?.length ?? 0
    const { rowsMax, inFlightBytesMax } = this.#intake.limits
    const full =
      this.#batch.length >= Math.min(BATCH_ROWS_MAX, rowsMax) ||
      this.#batchBytes + bytes + 1 > Math.min(BATCH_BYTES_MAX, inFlightBytesMax)
    if (full) await this.#offer()
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
    this.accepted += result.accepted
    this.#unusable += result.unusable
    this.linesSettled = this.#batch.at(-1)?.number ?? this.linesSettled
    this.#batch = []
    this.#batchBytes = 0
    const { accepted, bytesTotal } = this
    this.#options.onProgress?.({ bytesRead: this.#bytesRead, bytesTotal, accepted, rejected: this.#rejected })
    return true
  }

  /** null: the signal came while the intake was busy */
  async #offerUntilTaken(rows: readonly Buffer[]): Promise<IntakeResult | null> {
    const { acceptUnusable, signal } = this.#options
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
