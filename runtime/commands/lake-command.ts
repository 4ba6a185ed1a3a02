/** watershed lake copy: brings the lake of the data folder, and the small texts beside it, to an object store. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import type { CopyReport } from '#storage/lake/blob-lake/copy-lake.ts'
import { LocalLake } from '#storage/lake/local/local-lake.ts'
import { copyTexts } from '#storage/texts/named-texts.ts'
import { openLake } from '../drivers/open-lake.ts'
import { localTexts, openTexts, TEXTS } from '../drivers/open-texts.ts'
import { commandWith, type SharedOptions, withWorkspace } from './command-options.ts'
import { CommandError } from './exit-codes.ts'
import { printJson, printTable, say } from './output.ts'
import type { Workspace } from './workspace.ts'

const SAID_EVERY_MS = 5_000

export function lakeCommand(): Command {
  const copy = commandWith(
    'copy',
    'Copy the lake of the data folder to the object store of --lake; can be interrupted and goes on, and reads everything back at the end',
  ).action(copyAll)
  return new Command('lake').description('Where closed segments and generations are').addCommand(copy)
}

async function copyAll(options: SharedOptions): Promise<void> {
  const reports = await withWorkspace(options, 'serve', async (workspace) => {
    const done: (CopyReport & { readonly dataset: string })[] = []
    for (const dataset of workspace.datasets.keys()) done.push({ dataset, ...(await copyDataset(workspace, dataset)) })
    return done
  })
  if (options.json) printJson(reports)
  else
    printTable(
      ['dataset', 'files', 'bytes', 'there before', 'segments', 'generations'],
      reports.map(({ dataset, files, bytes, kept, segments, generations }) => [
        ...[dataset, files, bytes, kept, segments, generations],
      ]),
    )
}

async function copyDataset({ configuration, folder }: Workspace, dataset: string): Promise<CopyReport> {
  if (configuration.lake === undefined)
    throw new CommandError('usage', 'say where the lake is copied to: --lake s3://<bucket>/<prefix>')
  if (!existsSync(join(folder.lakeFolder, dataset)))
    throw new CommandError('usage', `there is no lake of '${dataset}' in '${folder.lakeFolder}'; choose another --data`)
  const from = await LocalLake.open({ folder: folder.lakeFolder, dataset })
  const locks: { release(): Promise<void> }[] = []
  try {
    for (const work of ['batch', 'stream'] as const) {
      const lock = await from.tryLock(work)
      if (lock === null)
        throw new CommandError(
          'busy',
          `the ${work} role of '${dataset}' is running; stop every process that uses the lake, then copy it: what is written meanwhile would be lacking`,
        )
      locks.push(lock)
    }
    const to = await openLake({ dataset, folder, configuration })
    let saidMs = performance.now()
    return await from.copyTo(to, {
      onProgress: ({ files, filesTotal, bytes, bytesTotal }) => {
        if (performance.now() - saidMs < SAID_EVERY_MS) return
        saidMs = performance.now()
        say(`${dataset}: ${files} of ${filesTotal} files, ${bytes} of ${bytesTotal} bytes`)
      },
      alongside: async () => {
        for (const kind of TEXTS)
          await copyTexts(localTexts(kind, folder, dataset), await openTexts(kind, { dataset, folder, configuration }))
      },
    })
  } finally {
    for (const lock of locks) await lock.release()
  }
}
