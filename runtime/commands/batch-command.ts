/** watershed batch run, watershed backfill: one batch run now, as the schedule would start it. */
import { SingleBar } from 'cli-progress'
import type { Command } from 'commander'
import { runBatch } from '#batch-layer/run-batch.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { LogGuard } from '#storage/lake/log-guard.ts'
import { publishShipped, unpublished } from '../drivers/dictionary-shelf.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { stopSignal } from '../signals.ts'
import { bringUpToDate, type UpToDate } from './bring-up-to-date.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError, EXIT_CODES } from './exit-codes.ts'
import { GENERATION_HEADS, generationRow, generationSummary } from './generations-command.ts'
import { printJson, printTable, say } from './output.ts'
import { batchServiceCommand } from './service-commands.ts'
import type { Workspace } from './workspace.ts'

type BatchMode = 'full' | 'incremental'

export function batchCommand(): Command {
  const run = commandWith('run', 'Build a generation of every loaded dataset now')
    .option('--full', 'recompute everything from raw events')
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
    'Recompute every view of a dataset from its raw events, after a change of its definition',
  )
    .argument('<dataset>', 'name of the dataset')
    .action((name: string, options: SharedOptions) =>
      runAll(options, 'full', async (workspace) => [await workspace.dataset(name)], name),
    )
}

async function runAll(
  options: SharedOptions,
  mode: BatchMode,
  choose: (workspace: Workspace) => Promise<readonly OpenDataset[]>,
  dataset?: string,
): Promise<void> {
  const stop = stopSignal()
  const run = async (workspace: Workspace): Promise<GenerationManifest[]> => {
    const generations: GenerationManifest[] = []
    for (const open of await choose(workspace)) {
      const upToDate = await bringUpToDate(workspace, open, 'closed', stop.signal)
      const generation = await runOne(workspace, open, mode, stop.signal)
      generations.push(generation)
      await sayUncounted(open, generation, upToDate)
      if (mode === 'full') await sayWithoutJson(open)
    }
    return generations
  }
  const made = await withWorkspace(options, 'batch', run, { dataset }).finally(stop.dispose)
  if (options.json) printJson(made.map(generationSummary))
  else printTable(GENERATION_HEADS, made.map(generationRow))
}

/** What of the log the generation does not count, and who does. */
async function sayUncounted(open: OpenDataset, { boundary }: GenerationManifest, upToDate: UpToDate): Promise<void> {
  if (upToDate.kind === 'counted') return
  const { name } = open.dataset
  if (upToDate.kind === 'nobody') {
    say(`${name}: the generation does not include every event of the log: ${upToDate.why}`)
    process.exitCode = EXIT_CODES.behind.code
    return
  }
  const ranges = await Promise.all(boundary.map((_, partition) => open.log.range(partition))).catch(() => [])
  const rest = ranges.reduce((sum, { end }, partition) => sum + Math.max(0, end - boundary[partition]!), 0)
  if (rest > 0)
    say(
      `${name}: ${rest} events are not in the generation, but in segments that the running stream role has not closed`,
    )
}

/** Past events that a changed definition cannot be applied to. */
async function sayWithoutJson({ dataset, lake, partitions }: OpenDataset): Promise<void> {
  const chains = await lake.chains(partitions, { compacted: true })
  const without = chains
    .flatMap(({ segments }) => segments)
    .filter(({ rows, raw, schemaHash }) => rows > 0 && raw === undefined && schemaHash !== dataset.schemaHash)
  if (without.length === 0) return
  const events = without.reduce((sum, { rows }) => sum + rows, 0)
  say(
    `${dataset.name}: ${events} events in ${without.length} segments are stored without their JSON: columns that were added since are NULL for them, and columns that were changed keep their stored values`,
  )
}

async function runOne(
  workspace: Workspace,
  open: OpenDataset,
  mode: BatchMode,
  signal: AbortSignal,
): Promise<GenerationManifest> {
  const dictionary = await workspace.openDictionary()
  const bar = progressBar()
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
      mode,
      keepGenerations: workspace.configuration.keepGenerations,
      readersGraceMs: workspace.configuration.lakeGraceMs,
      step: workspace.step,
      onProgress: bar.show,
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
    bar.stop()
    await dictionary.close()
  }
}

function progressBar(): { show(progress: { name: string; done: number; total: number }): void; stop(): void } {
  if (!process.stderr.isTTY) return { show: () => {}, stop: () => {} }
  const bar = new SingleBar({ format: '{bar} {value}/{total} {name}', stream: process.stderr, clearOnComplete: true })
  let started = false
  return {
    show: ({ name, done, total }) => {
      if (!started) bar.start(total, done, { name })
      started = true
      bar.update(done, { name })
    },
    stop: () => bar.stop(),
  }
}
