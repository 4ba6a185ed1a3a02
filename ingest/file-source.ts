/** Takes a file or stdin in: bounded memory, one offer per batch of lines, verdicts with line numbers. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Intake } from './intake.ts'

export interface FileProgress {
  readonly bytesRead: number
  /** null for stdin */
  readonly bytesTotal: number | null
  readonly accepted: number
  readonly rejected: number
}

export interface FileReject {
  /** 1 is the first */
  readonly line: number
  readonly reason: string
}

export interface FileResult {
  readonly accepted: number
  readonly rejected: number
  /** the first rejects, at most REJECTS_SHOWN_MAX */
  readonly rejects: readonly FileReject[]
  /** true when the signal ended it early; what was accepted is durable */
  readonly interrupted: boolean
}

export const REJECTS_SHOWN_MAX = 1_000
const BATCH_ROWS = 2_000
const BATCH_CHARS = 4 * 1024 * 1024

export interface FileSourceOptions {
  readonly acceptUnusable?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: FileProgress) => void
}

/** Offers every line of the file ('-': stdin). @throws when the file can not be read; names it */
export async function ingestFile(intake: Intake, path: string, options: FileSourceOptions = {}): Promise<FileResult> {
  const bytesTotal = path === '-' ? null : (await stat(path)).size
  const input = path === '-' ? process.stdin : createReadStream(path)
  const result = { accepted: 0, rejected: 0, rejects: [] as FileReject[], interrupted: false }
  let bytesRead = 0
  let [line, chars] = [0, 0]
  let rows: string[] = []
  let numbers: number[] = []
  const offer = async (): Promise<void> => {
    const { verdicts, accepted, rejected } = await intake.offer(rows, options)
    result.accepted += accepted
    result.rejected += rejected
    for (const verdict of verdicts) {
      if (verdict.status === 'rejected' && result.rejects.length < REJECTS_SHOWN_MAX) {
        result.rejects.push({ line: numbers[verdict.index]!, reason: verdict.reason })
      }
    }
    rows = []
    numbers = []
    chars = 0
    options.onProgress?.({ bytesRead, bytesTotal, accepted: result.accepted, rejected: result.rejected })
  }
  const stop = (): void => {
    result.interrupted = true
    input.destroy()
  }
  options.signal?.addEventListener('abort', stop, { once: true })
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (result.interrupted) break
      line++
      bytesRead += Buffer.byteLength(text) + 1
      if (text.trim() === '') continue
      rows.push(text)
      numbers.push(line)
      chars += text.length
      if (rows.length >= BATCH_ROWS || chars >= BATCH_CHARS) await offer()
    }
    if (rows.length > 0) await offer()
    return result
  } catch (error) {
    if (result.interrupted) return result
    throw new Error(
      `${path}, line ${line}: ${(error as Error).message}; ${result.accepted} events before it are in the log`,
      { cause: error },
    )
  } finally {
    options.signal?.removeEventListener('abort', stop)
  }
}
