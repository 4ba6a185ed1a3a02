/** watershed generations list, watershed generations rollback [id]. */
import { Command } from 'commander'
import { rollback } from '#batch-layer/rollback.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, printTable, say } from './output.ts'

export const GENERATION_HEADS = ['dataset', 'generation', 'mode', 'finished', 'rows', 'boundary']

export function generationsCommand(): Command {
  const list = commandWith('list', 'List the retained generations of every loaded dataset, oldest first').action(
    listAll,
  )
  const back = commandWith(
    'rollback',
    'Make an older generation current; answers stay the same, the speed layer covers the rest',
  )
    .argument('[id]', 'for example g000012; default: the one before the current one')
    .action(rollBack)
  return new Command('generations')
    .description('Published results of the batch layer')
    .addCommand(list)
    .addCommand(back)
}

export function generationSummary(generation: GenerationManifest): Record<string, unknown> {
  const { dataset, id, mode, base, boundary, rows, deadLetters, lateRows, startedAtMs, finishedAtMs } = generation
  const finishedAt = new Date(finishedAtMs).toISOString()
  return {
    dataset,
    id,
    mode,
    base,
    boundary,
    rows,
    deadLetters,
    lateRows,
    finishedAt,
    tookMs: finishedAtMs - startedAtMs,
    dictionaries: Object.fromEntries(
      Object.entries(generation.dictionaries).map(([name, { file, unknown, ...pin }]) => [name, pin]),
    ),
  }
}

export function generationRow(generation: GenerationManifest): unknown[] {
  const { dataset, id, mode, finishedAtMs, rows, boundary } = generation
  return [dataset, id, mode, new Date(finishedAtMs).toISOString(), rows, boundary.join(' ')]
}

/** What cannot be read is reported beside the list: on standard error, also with --json. */
async function listAll(options: SharedOptions): Promise<void> {
  const listed = await withWorkspace(options, 'serve', async (workspace) => {
    const lists = (await workspace.all()).map(async ({ lake }) => {
      const current = await lake.current()
      for (const { id, error } of await lake.unreadableGenerations()) say(`${id} is not listed: ${error.message}`)
      return (await lake.generations()).map((generation) => ({ generation, current: generation.id === current?.id }))
    })
    return (await Promise.all(lists)).flat()
  })
  if (options.json) {
    printJson(listed.map(({ generation, current }) => ({ ...generationSummary(generation), current })))
  } else {
    const rows = listed.map(({ generation, current }) => [...generationRow(generation), current ? 'current' : ''])
    printTable([...GENERATION_HEADS, ''], rows)
  }
}

async function rollBack(id: string | undefined, options: SharedOptions): Promise<void> {
  const generation = await withWorkspace(options, 'serve', async (workspace) => {
    const { lake, dataset } = await workspace.only()
    const target = await rollback({ lake, id, emit: workspace.emit })
    if (target !== null) return target
    throw new CommandError('busy', `a batch run of '${dataset.name}' is in progress; retry when it has finished`)
  })
  if (options.json) printJson(generationSummary(generation))
  else printTable(GENERATION_HEADS, [generationRow(generation)])
}
