/** watershed ingest <dataset> <file|->: ingests a file of any known format or a live pipe durably, and reports what is rejected. */
import { access, constants, stat } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import type { CompiledDataset } from '#core/compiled.ts'
import { EventDeriver } from '#ingest/event-deriver.ts'
import { type FileResult, type FileSourceOptions, ingestFile } from '#ingest/file-source.ts'
import type { Recognised } from '#ingest/formats/recognise.ts'
import type { FormatOptions } from '#ingest/formats/recognising-splitter.ts'
import { Intake } from '#ingest/intake.ts'
import { ReplayPace } from '#ingest/replay-pace.ts'
import { listFiles, namesSeveral } from '#ingest/sources/files/file-list.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import type { Emit } from '#telemetry/emit.ts'
import { openLake } from '../drivers/open-lake.ts'
import { intakeLimits } from '../roles/intake-limits.ts'
import { stopSignal } from '../signals.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { withFormatOptions } from './format-options.ts'
import { type FilesIngested, ingestFiles } from './ingest-files.ts'
import { progressBar } from './ingest-progress.ts'
import { printJson, say } from './output.ts'
import { spreadJsonHint } from './spread-json.ts'
import type { Workspace } from './workspace.ts'

interface IngestOptions extends SharedOptions, FormatOptions {
  readonly after?: number
  readonly keepUnusable?: boolean
  readonly follow?: boolean
  readonly resume?: boolean
  readonly speed?: number
}

/** rejected lines that are listed on stderr; --json lists more */
const REJECTS_SAID_MAX = 20

export function ingestCommand(): Command {
  const command = commandWith(
    'ingest',
    'Ingest NDJSON, a JSON array, CSV or Parquet ("-" reads stdin); ends when every accepted event is durable',
  )
    .argument('<dataset>', 'name of the dataset')
    .argument('<file...>', 'paths of files and folders, patterns, or - for stdin')
    .option('--keep-unusable', 'keep unusable lines as dead letters instead of rejecting them')
    .option('--resume', 'keep in the log how far each file was read, and go on there')
    .option('--follow', 'as --resume; then wait for new files and for what is appended to files')
    .option(
      '--speed <factor>',
      'replay events by their time: 1x as they happened, 60x a minute in a second',
      speedFactor,
    )
  return withFormatOptions(command).action(ingest)
}

function speedFactor(text: string): number {
  const factor = Number(/^(\d+(?:\.\d+)?)x?$/.exec(text)?.[1])
  if (!(factor > 0)) throw new InvalidArgumentError('it must be a number greater than 0, for example 60x.')
  return factor
}

async function ingest(name: string, named: readonly string[], options: IngestOptions): Promise<void> {
  const isKept = options.resume === true || options.follow === true
  assertTogether(named, options, isKept)
  const files = isKept ? [] : await filesOf(named)
  const stop = stopSignal()
  const takeIn = async (workspace: Workspace): Promise<number> => {
    const dataset = workspace.definition(name)
    const log = await workspace.log(name)
    const emit = exceptRejects(workspace.emit)
    const lake = await openLake({
      dataset: dataset.name,
      folder: workspace.folder,
      configuration: workspace.configuration,
    })
    const guard = new LogGuard({ dataset: dataset.name, log, lake })
    const { engine, scratchFolder } = workspace
    const deriver = dataset.deciding && new EventDeriver(await engine.connect(), dataset.deciding, scratchFolder)
    const intake = new Intake({ dataset, deriver, log, guard, limits: intakeLimits(workspace.configuration), emit })
    const pace = paceOf(dataset, options.speed)
    const { signal } = stop
    if (isKept) {
      const { follow = false } = options
      const parts = { dataset, paths: named, log, lake, intake, emit, follow, format: options, pace, signal }
      return tellFiles(name, await ingestFiles(parts), options.json)
    }
    let code: number = EXIT_CODES.done.code
    for (const file of files) {
      const result = await ingestOne(intake, file, { ...options, pace, signal })
      if (options.json) printJson({ dataset: name, file, ...result })
      else sayResult(files.length === 1 ? name : `${name}, ${file}`, file, result)
      code = exitCodeOf(result) === EXIT_CODES.done.code ? code : exitCodeOf(result)
      if (result.interrupted) break
    }
    return code
  }
  process.exitCode = await withWorkspace(options, 'serve', takeIn, { make: true, dataset: name }).finally(stop.dispose)
}

/** @throws CommandError 'usage' */
function paceOf({ name, timeMsOf }: CompiledDataset, speed: number | undefined): ReplayPace | undefined {
  if (speed === undefined) return undefined
  if (timeMsOf !== null) return new ReplayPace(speed, timeMsOf)
  throw new CommandError(
    'usage',
    `--speed needs an event time that is a value of the event; that of '${name}' is derived`,
  )
}

async function ingestOne(
  intake: Intake,
  file: string,
  options: IngestOptions & Pick<FileSourceOptions, 'pace' | 'signal'>,
): Promise<FileResult> {
  const bar = await progressBar(file)
  try {
    const { keepUnusable: acceptUnusable } = options
    return await ingestFile(intake, file, { ...options, acceptUnusable, onRecognised: sayFormat, onProgress: bar.show })
  } finally {
    bar.stop()
  }
}

/** @throws CommandError 'usage' */
function assertTogether(files: readonly string[], { after, keepUnusable }: IngestOptions, isKept: boolean): void {
  const why =
    files.length > 1 && files.includes('-')
      ? "stdin ('-') cannot be read together with files"
      : isKept && files.includes('-')
        ? '--resume and --follow are for files; stdin is read as it comes'
        : isKept && (after !== undefined || keepUnusable)
          ? '--after and --keep-unusable are not for --resume and --follow, which know where they were, and keep unusable lines as dead letters'
          : null
  if (why !== null) throw new CommandError('usage', why)
}

/** The files that are there now. @throws CommandError 'storage' */
async function filesOf(named: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const path of named) {
    const several = path !== '-' && (await namesSeveral(path))
    const found = several ? await listFiles([path]) : [path]
    if (found.length === 0) throw new CommandError('storage', `'${path}' names no file; nothing was ingested`)
    files.push(...found.filter((file) => !files.includes(file)))
  }
  for (const file of files) await assertReadable(file)
  return files
}

/** @returns the exit code */
function tellFiles(name: string, result: FilesIngested, json: boolean | undefined): number {
  if (json) printJson({ dataset: name, ...result })
  else {
    for (const { file, reason } of result.faults) say(`${file}: ${reason}`)
    say(
      `${name}: ${result.events} events ingested${result.rejected > 0 ? `, ${result.rejected} rejected` : ''}; the same command goes on behind them`,
    )
  }
  if (result.interrupted) return EXIT_CODES.interrupted.code
  if (result.faults.length > 0) return EXIT_CODES.storage.code
  return result.rejected > 0 ? EXIT_CODES.rejected.code : EXIT_CODES.done.code
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

function sayResult(name: string, file: string, result: FileResult): void {
  const { unit } = result
  for (const { line, reason } of result.rejects.slice(0, REJECTS_SAID_MAX)) say(`${unit} ${line}: rejected: ${reason}`)
  const unsaid = result.rejected - Math.min(result.rejects.length, REJECTS_SAID_MAX)
  if (unsaid > 0) say(`… and ${unsaid} more rejected ${unit}s (--json lists the first ${result.rejects.length})`)
  const hint = spreadJsonHint(file, result.accepted, result.rejects)
  if (hint !== null) say(hint)
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
