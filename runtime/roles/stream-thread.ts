/** The stream role of all datasets in a worker thread of its own, with its own engine. */
import { join } from 'node:path'
import { OpenBudget } from '#speed-layer/open-budget.ts'
import { StreamRole } from '#speed-layer/stream-role.ts'
import { crashStep } from '../crash-step.ts'
import { DataFolder } from '../drivers/data-folder.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { openAssignment } from '../drivers/open-assignment.ts'
import { closeDataset, type OpenDataset, openDataset } from '../drivers/open-dataset.ts'
import { openEngine } from '../drivers/open-engine.ts'
import { streamLimits } from '../drivers/stream-limits.ts'
import type { PartStatus } from './role-messages.ts'
import { runRole } from './role-thread.ts'
import { holdStreamLock } from './stream-lock.ts'

await runRole(async ({ configuration, scratchFolder, platformPid }, emit) => {
  const folder = DataFolder.open(configuration.data, configuration.scratch)
  const step = crashStep(process.env, platformPid)
  const engine = await openEngine('stream', configuration, folder, scratchFolder)
  const budget = new OpenBudget(configuration.openBytesMax)
  const running: { open: OpenDataset; role: StreamRole }[] = []
  for (const dataset of (await loadDatasets(configuration.datasets, engine)).values()) {
    const open = await openDataset({ dataset, folder, configuration, engine, emit, step })
    const scratch = join(scratchFolder, dataset.name)
    const assignment = await openAssignment(configuration, dataset.name, open.log, emit)
    const limits = streamLimits(configuration)
    running.push({
      open,
      role: new StreamRole({ ...open, assignment, scratchFolder: scratch, limits, budget, step, emit }),
    })
  }
  const locks = running.map(({ open }) => holdStreamLock(open.lake))
  await Promise.all(running.map(({ role }) => role.start()))
  return {
    parts: () => running.flatMap(({ open, role }) => statusOf(open.dataset.name, role)),
    stop: async () => {
      await Promise.all(running.map(({ role }) => role.stop()))
      for (const lock of locks) await lock.release()
      for (const { open } of running) await closeDataset(open)
      await Promise.all(running.map(({ role }) => role.ended()))
      engine.close()
    },
  }
})

function statusOf(dataset: string, role: StreamRole): PartStatus[] {
  return role.status().map((status) => ({
    name: `stream of ${dataset}, partition ${status.partition}`,
    dataset,
    state: status.state,
    fault: status.fault,
    numbers: {
      partition: status.partition,
      position: status.position,
      segmentStart: status.segmentStart,
      logEnd: status.logEnd,
      lag: Math.max(0, status.logEnd - status.position),
    },
  }))
}
