/** watershed batch run, watershed backfill: one batch run now, as the schedule would start it. */
import type { Command } from 'commander'
import { type BatchProgress, runBatch } from '#batch-layer/run-batch.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import { publishShipped, unpublished } from '../drivers/dictionary-shelf.ts'
import { openBatchEngine } from '../drivers/open-batch-engine.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { stopSignal } from '../signals.ts'
import { bringUpToDate, type UpToDate } from './bring-up-to-date.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { GENERATION_HEADS, generationRow, generationSummary } from './generations-command.ts'
import { printJson, printTable, say } from './output.ts'
import { batchServiceCommand } from './service-commands.ts'
import type { Workspace } from './workspace.ts'

/** backfill: incremental, with a generation even if no event is new */
type CommandMode = 'full' | 'incremental' | 'backfill'

const BATCH_ENGINE = ['--batch-engine <engine>', 'what recounts views: duckdb (default) or trino'] as const

export function batchCommand(): Command {
  const run = commandWith('run', 'Build a generation of every loaded dataset now')
    .option('--full', 'recompute everything from raw events')
    .option(...BATCH_ENGINE)
    .action((_options: unknown, command: Command) => {
      // Flags can also precede `run`: they belong to the batch service.
      const options = command.optsWithGlobals<SharedOptions & { full?: boolean }>()
      return runAll(options, options.full ? 'full' : 'incremental', (workspace) => workspace.all())
    })
  return batchServiceCommand().addCommand(run)
}

export function backfillCommand(): Command {
  return commandWith(
    'backfill',
    'Compute new and changed views of a dataset from its raw events, after a change of its definition',
  )
    .argument('<dataset>', 'name of the dataset')
    .option('--all', 'compute every view from raw events')
    .option(...BATCH_ENGINE)
    .option(
      '--from-kept',
      'let changed views count from the first raw event that is kept, where earlier ones were removed by keep.raw',
    )
    .action((name: string, options: SharedOptions & { readonly all?: boolean; readonly fromKept?: boolean }) =>
      runAll(options, options.all ? 'full' : 'backfill', async (workspace) => [await workspace.dataset(name)], name),
    )
}

async function runAll(
  options: SharedOptions & { readonly fromKept?: boolean },
  mode: CommandMode,
  choose: (workspace: Workspace) => Promise<readonly OpenDataset[]>,
  dataset?: string,
): Promise<void> {
  const stop = stopSignal()
  const run = async (workspace: Workspace): Promise<Made[]> => {
    const made: Made[] = []
    for (const open of await choose(workspace)) {
      const upToDate = await bringUpToDate(workspace, open, 'closed', stop.signal)
      const outdated = mode === 'backfill' ? await outdatedViews(open) : []
      const generation = await runOne(workspace, open, mode, options, stop.signal)
      if (mode === 'backfill') sayBackfilled(open, outdated)
      const uncounted = await uncountedBy(open, generation, upToDate)
      made.push({ generation, uncounted })
      sayUncounted(workspace, open.dataset.name, uncounted, upToDate)
      if (mode !== 'incremental') await sayWithoutJson(open)
      sayUncountedViews(open, generation)
    }
    return made
  }
  const made = await withWorkspace(options, 'batch', run, { dataset }).finally(stop.dispose)
  if (options.json)
    printJson(made.map(({ generation, uncounted }) => ({ ...generationSummary(generation), uncounted })))
  else
    printTable(
      GENERATION_HEADS,
      made.map(({ generation }) => generationRow(generation)),
    )
}

interface Made {
  readonly generation: GenerationManifest
  /** events of the log that it does not count; null: the log is unavailable */
  readonly uncounted: number | null
}

/** Views that the current generation has not computed by their current definition. */
async function outdatedViews({ dataset, lake }: OpenDataset): Promise<string[]> {
  const current = await lake.current()
  return [...dataset.views.values()].filter(({ name, hash }) => current?.views[name]?.hash !== hash).map(nameOf)
}

function sayBackfilled({ dataset }: OpenDataset, outdated: readonly string[]): void {
  say(
    outdated.length === 0
      ? `${dataset.name}: every view had been computed by its current definition; \`--all\` computes them again from raw events`
      : `${dataset.name}: computed from raw events: ${outdated.join(', ')}`,
  )
}

const nameOf = ({ name }: { readonly name: string }): string => name

async function uncountedBy(
  { log }: OpenDataset,
  { boundary }: GenerationManifest,
  { kind }: UpToDate,
): Promise<number | null> {
  if (kind === 'counted') return 0
  const ranges = await Promise.all(boundary.map((_, partition) => log.range(partition))).catch(() => null)
  return ranges?.reduce((sum, { end }, partition) => sum + Math.max(0, end - boundary[partition]!), 0) ?? null
}

/** Why the generation does not count them, and when they are counted. */
function sayUncounted(
  { configuration: { segmentAgeMsMax, segmentRecordsMax } }: Workspace,
  name: string,
  uncounted: number | null,
  upToDate: UpToDate,
): void {
  if (upToDate.kind === 'nobody') {
    say(`${name}: the generation does not include every event of the log: ${upToDate.why}`)
    process.exitCode = EXIT_CODES.behind.code
  }
  if (upToDate.kind === 'stream-role' && uncounted !== null && uncounted > 0)
    say(
      `${name}: ${uncounted} events are not in the generation: the running stream role has them in open segments. It closes one after ${segmentAgeMsMax / 1_000} s (segmentAgeMsMax) or ${segmentRecordsMax} events (segmentRecordsMax); the next run after that counts them`,
    )
}

/** Past events that a changed definition cannot be applied to. */
async function sayWithoutJson({ dataset, lake, partitions }: OpenDataset): Promise<void> {
  const chains = await lake.chains(partitions, { compacted: true })
  const without = chains
    .flatMap(({ segments }) => segments)
    .filter(({ events, raw, schemaHash }) => events !== null && raw === undefined && schemaHash !== dataset.schemaHash)
  if (without.length === 0) return
  const events = without.reduce((sum, { rows }) => sum + rows, 0)
  say(
    `${dataset.name}: ${events} events in ${without.length} segments are stored without their JSON: columns that were added since are NULL for them, and columns that were changed keep their stored values`,
  )
}

/** Views that were defined or changed after raw events had been removed. */
function sayUncountedViews({ dataset }: OpenDataset, { views }: GenerationManifest): void {
  for (const [name, { since }] of Object.entries(views)) {
    if (since === undefined) continue
    const times = since.flatMap(({ timeMaxMs }) => timeMaxMs ?? [])
    const from =
      times.length === 0 ? '' : `; it is complete for event times after ${new Date(Math.max(...times)).toISOString()}`
    say(
      `${dataset.name}: view ${name} does not count the events before offset ${since.map(({ offset }) => offset).join(', ')}, which keep.raw had removed${from}`,
    )
  }
}

async function runOne(
  workspace: Workspace,
  open: OpenDataset,
  mode: CommandMode,
  { json, fromKept }: SharedOptions & { readonly fromKept?: boolean },
  signal: AbortSignal,
): Promise<GenerationManifest> {
  const dictionary = await workspace.openDictionary()
  const shown = json ? jsonProgress(open.dataset.name) : await progressBar()
  try {
    // Not a reason to fail: the run keeps the versions that the previous generation pinned.
    await publishShipped(dictionary).catch(({ message }: Error) =>
      workspace.emit(unpublished(message, 'the run continues without them')),
    )
    await new LogGuard({ ...open, dataset: open.dataset.name }).assertHolds()
    const generation = await runBatch({
      ...open,
      dictionary,
      logIdentity: open.log.identity,
      mode: mode === 'full' ? 'full' : 'incremental',
      fromKept,
      recount: { groupRows: workspace.configuration.recountGroupRows },
      recountEngine: await openBatchEngine(workspace.configuration, open.dataset, open.engine),
      keepGenerations: workspace.configuration.keepGenerations,
      readersGraceMs: workspace.configuration.lakeGraceMs,
      step: workspace.step,
      onProgress: shown.show,
      emit: workspace.emit,
      signal,
    })
    if (generation !== null) return generation
    throw new CommandError(
      'busy',
      `another batch run of '${open.dataset.name}' is in progress; retry when it has finished`,
    )
  } catch (error) {
    if (!signal.aborted) throw error
    throw new CommandError(
      'interrupted',
      'the batch run was stopped; nothing was published, and the previous generation is still served',
    )
  } finally {
    shown.stop()
    await dictionary.close()
  }
}

interface ShownProgress {
  show(progress: BatchProgress): void
  stop(): void
}

/** One line per view on stderr; the result is on stdout. */
function jsonProgress(dataset: string): ShownProgress {
  return { show: (progress) => say(JSON.stringify({ event: 'progress', dataset, ...progress })), stop: () => {} }
}

async function progressBar(): Promise<ShownProgress> {
  if (!process.stderr.isTTY) return { show: () => {}, stop: () => {} }
  const { SingleBar } = await import('cli-progress')
  const format = '{bar} {percentage} % {name}{left}'
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true })
  let started = false
  return {
    show: ({ name, bytesDone, bytesTotal, leftMs }) => {
      const payload = { name, left: leftMs === null ? '' : `, about ${Math.ceil(leftMs / 1_000)} s left` }
      if (!started) bar.start(Math.max(1, bytesTotal), bytesDone, payload)
      started = true
      bar.update(bytesDone, payload)
    },
    stop: () => bar.stop(),
  }
}
