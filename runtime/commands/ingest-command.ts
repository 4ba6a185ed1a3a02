/** watershed ingest <dataset> <file|->: ingests a file of any known format or a live pipe durably, and reports what is rejected. */
import { access, constants, stat } from 'node:fs/promises'
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { type FileProgress, type FileResult, ingestFile } from '#ingest/file-source.ts'
import type { Recognised } from '#ingest/formats/recognise.ts'
import type { FormatOptions } from '#ingest/formats/recognising-splitter.ts'
import { Intake } from '#ingest/intake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import type { Emit } from '#telemetry/emit.ts'
import { intakeLimits } from '../roles/intake-limits.ts'
import { stopSignal } from '../signals.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { withFormatOptions } from './format-options.ts'
import { printJson, say } from './output.ts'
import type { Workspace } from './workspace.ts'

interface IngestOptions extends SharedOptions, FormatOptions {
  readonly after?: number
  readonly keepUnusable?: boolean
}

/** rejected lines that are listed on stderr; --json lists more */
const REJECTS_SAID_MAX = 20

export function ingestCommand(): Command {
  const command = commandWith(
    'ingest',
    'Ingest NDJSON, a JSON array, CSV or Parquet ("-" reads stdin); ends when every accepted event is durable',
  )
    .argument('<dataset>', 'name of the dataset')
    .argument('<file>', 'path of the file, or - for stdin')
    .option('--keep-unusable', 'keep unusable lines as dead letters instead of rejecting them')
  return withFormatOptions(command).action(ingest)
}

async function ingest(name: string, file: string, options: IngestOptions): Promise<void> {
  await assertReadable(file)
  const stop = stopSignal()
  const takeIn = async (workspace: Workspace): Promise<FileResult> => {
    const dataset = workspace.definition(name)
    const log = await workspace.log(name)
    const emit = exceptRejects(workspace.emit)
    const lake = await LocalLake.open({ folder: workspace.folder.lakeFolder, dataset: dataset.name })
    const guard = new LogGuard({ dataset: dataset.name, log, lake })
    const { engine, scratchFolder } = workspace
    const deriver = dataset.deciding && new EventDeriver(await engine.connect(), dataset.deciding, scratchFolder)
    const intake = new Intake({ dataset, deriver, log, guard, limits: intakeLimits(workspace.configuration), emit })
    const bar = progressBar()
    try {
      return await ingestFile(intake, file, {
        ...options,
        acceptUnusable: options.keepUnusable,
        onRecognised: sayFormat,
        signal: stop.signal,
        onProgress: bar.show,
      })
    } finally {
      bar.stop()
    }
  }
  const result = await withWorkspace(options, 'serve', takeIn, { make: true, dataset: name }).finally(stop.dispose)
  if (options.json) printJson({ dataset: name, file, ...result })
  else sayResult(name, result)
  process.exitCode = exitCodeOf(result)
}

/** Checked before anything is opened or created. @throws CommandError 'storage' */
async function assertReadable(file: string): Promise<void> {
  if (file === '-') return
  const why = await access(file, constants.R_OK).then(
    async () => ((await stat(file)).isDirectory() ? 'it is a folder' : null),
    (error: Error) => error.message,
  )
  if (why !== null) throw new CommandError('storage', `'${file}' cannot be read: ${why}; nothing was ingested`)
}

function exitCodeOf(result: FileResult): number {
  if (result.interrupted) return EXIT_CODES.interrupted.code
  return result.rejected > 0 ? EXIT_CODES.rejected.code : EXIT_CODES.done.code
}

/** NDJSON is what is expected, and is not worth a line. */
function sayFormat(recognised: Recognised): void {
  if (recognised.format === 'json') say('read as a JSON array')
  if (recognised.format === 'csv') say(`read as CSV, with ${JSON.stringify(recognised.delimiter)} between fields`)
}

function sayResult(name: string, result: FileResult): void {
  const { unit } = result
  for (const { line, reason } of result.rejects.slice(0, REJECTS_SAID_MAX)) say(`${unit} ${line}: rejected: ${reason}`)
  const unsaid = result.rejected - Math.min(result.rejects.length, REJECTS_SAID_MAX)
  if (unsaid > 0) say(`… and ${unsaid} more rejected ${unit}s (--json lists the first ${result.rejects.length})`)
  say(`${name}: ${result.accepted} events ingested, ${result.rejected} ${unit}s rejected`)
  if (Object.keys(result.unconverted).length > 0)
    say(
      `values that could not be converted, stored as NULL or the column's default: ${columnCounts(result.unconverted)}`,
    )
  if (result.interrupted) say(`interrupted: ${whereInterrupted(result)}`)
  if (result.unusable > 0)
    say(
      `${result.unusable} of them do not pass validation: those that the engine cannot use become dead letters, with their bytes and the reason`,
    )
}

/** 'price 2, course 1' */
function columnCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([column, count]) => `${column} ${count}`)
    .join(', ')
}

function whereInterrupted({ unit, linesSettled, unfinishedLine }: FileResult): string {
  const settled =
    linesSettled === 0
      ? `no ${unit} is in the log`
      : `${unit}s 1 to ${linesSettled} are in the log or were rejected, and no later ${unit} is in the log (--after ${linesSettled} continues)`
  return unfinishedLine === null ? settled : `${settled}; ${unit} ${unfinishedLine} had not ended, and was not ingested`
}

/** Rejected rows are reported with their line numbers instead of their index in a batch. */
function exceptRejects(emit: Emit): Emit {
  return (event) => {
    if (event.name !== 'rows-rejected' && event.name !== 'values-unconverted') emit(event)
  }
}

function progressBar(): { show(progress: FileProgress): void; stop(): void } {
  if (!process.stderr.isTTY) return { show: () => {}, stop: () => {} }
  const bar = new SingleBar({
    format: '{bar} {percentage} % | {accepted} events | {rejected} rejected',
    stream: process.stderr,
    clearOnComplete: true,
  })
  let started = false
  return {
    show: ({ bytesRead, bytesTotal, accepted, rejected }) => {
      if (!started) bar.start(bytesTotal ?? 0, 0, { accepted: 0, rejected: 0 })
      started = true
      bar.update(bytesRead, { accepted, rejected })
    },
    stop: () => bar.stop(),
  }
}
