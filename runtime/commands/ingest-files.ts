/** `watershed ingest --resume` and `--follow`: files as a source, whose cursor is in the log. */
import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import type { CompiledDataset } from '#core/compiled.ts'
import type { FormatOptions } from '#ingest/formats/recognising-splitter.ts'
import type { Intake } from '#ingest/intake.ts'
import type { ReplayPace } from '#ingest/replay-pace.ts'
import { FilesSource } from '#ingest/sources/files/files-source.ts'
import { SourceRunner } from '#ingest/sources/source-runner.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { EventLog } from '#storage/log/event-log.ts'
import type { Emit } from '#telemetry/emit.ts'
import { aborted } from '../signals.ts'
import { progressBar } from './ingest-progress.ts'

export interface FilesIngest {
  readonly dataset: CompiledDataset
  readonly paths: readonly string[]
  readonly log: EventLog
  readonly lake: Lake
  readonly intake: Intake
  readonly emit: Emit
  readonly follow: boolean
  readonly format: FormatOptions
  readonly pace: ReplayPace | undefined
  readonly signal: AbortSignal
}

export interface FilesIngested {
  /** name of its cursor in the log */
  readonly source: string
  /** appended by this run; unusable ones are among them, and become dead letters */
  readonly events: number
  /** not in the log */
  readonly rejected: number
  readonly faults: readonly { readonly file: string; readonly reason: string }[]
  readonly interrupted: boolean
}

/** The same files have the same cursor, wherever the command is started. */
export function filesSourceName(paths: readonly string[]): string {
  const named = paths.map((path) => resolve(path)).sort()
  return `files-${createHash('sha256').update(named.join('\n')).digest('hex').slice(0, 12)}`
}

/** Resolves at the end of all files; with `follow`, on the signal. */
export async function ingestFiles({
  dataset,
  paths,
  log,
  lake,
  intake,
  emit,
  follow,
  format,
  pace,
  signal,
}: FilesIngest): Promise<FilesIngested> {
  const source = filesSourceName(paths)
  const before = (await log.sources.list()).find((each) => each.source === source)?.events ?? 0
  const caughtUp = Promise.withResolvers<void>()
  const faults = new Map<string, string>()
  const bar = await progressBar(dataset.name)
  const runner: SourceRunner = new SourceRunner({
    ...{ dataset: dataset.name, name: source, kind: 'files', intake, ledger: log.sources, emit },
    tryLock: () => lake.tryLock(`source-${source}`),
    source: new FilesSource({
      ...{ paths, follow, format, pace, onCaughtUp: caughtUp.resolve },
      onProgress: ({ bytesRead, bytesTotal }) => {
        const { events, rejected } = runner.status()
        bar.show({
          bytesRead,
          bytesTotal: follow ? null : bytesTotal,
          accepted: Math.max(0, events - before),
          rejected,
        })
      },
      onFault: (file, { message }) => {
        faults.set(file, message)
        emit({
          name: 'file-unreadable',
          level: 'warn',
          dataset: dataset.name,
          message: `${file}: ${message}; other files are read, and this one again when it has changed`,
        })
      },
    }),
  })
  runner.start()
  try {
    await Promise.race([aborted(signal), follow ? aborted(signal) : caughtUp.promise])
  } finally {
    await runner.stop()
    bar.stop()
  }
  const { events, rejected } = runner.status()
  return {
    ...{ source, events: events - before, rejected, interrupted: signal.aborted },
    faults: [...faults].map(([file, reason]) => ({ file, reason })),
  }
}
