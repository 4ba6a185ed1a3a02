/** Checkpoints of segments that are missing or do not say what the manifests say: readers are given the manifests again, then new checkpoints. */
import { keptBoundary } from '#batch-layer/retention.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { CheckpointFault } from '#storage/lake/segment-checkpoint.ts'
import type { Finding } from './finding.ts'

const ADVICE =
  'answers are right as long as the manifests are: run `watershed doctor --repair`, which writes it again from them'

const MISSING = 'answers do not need it: the next batch run writes one, or `watershed doctor --repair` does now'

export async function examineCheckpoints(lake: Lake): Promise<Finding[]> {
  const faults = await faultsIn(lake)
  return faults.map(({ name, partition, problem }) => {
    const numbers = { checkpoint: name, partition }
    if (name === null) {
      const message = `partition ${partition} has no checkpoint, so that a process that starts opens the manifest of each of its segments: ${problem}`
      return { part: 'lake', state: 'note', message, advice: MISSING, numbers }
    }
    const message = `the checkpoint '${name}' of partition ${partition} does not agree with the manifests: ${problem}`
    return { part: 'lake', state: 'attention', message, advice: ADVICE, numbers }
  })
}

/** Segments have a checkpoint once every kept generation counts them. */
async function faultsIn(lake: Lake): Promise<readonly CheckpointFault[]> {
  return lake.checkpointFaults(await keptBoundary(lake, (await lake.current())?.boundary.length ?? 0))
}

/** @returns one sentence per checkpoint that was removed or written again. @throws if a batch run is in progress */
export async function repairCheckpoints(lake: Lake): Promise<string[]> {
  if ((await faultsIn(lake)).length === 0) return []
  const lock = await lake.tryLock('batch')
  if (lock === null) throw new Error('a batch run is in progress; try again when it has finished')
  try {
    const faults = new Map((await faultsIn(lake)).map((fault) => [fault.partition, fault]))
    for (const partition of faults.keys()) await lake.dropCheckpoint(partition)
    await lake.checkpoint((await lake.current())?.boundary ?? [])
    return [...faults.values()].map(({ name, partition }) =>
      name === null
        ? `a checkpoint of partition ${partition} was written from the manifests`
        : `the checkpoint '${name}' of partition ${partition} was replaced from the manifests`,
    )
  } finally {
    await lock.release()
  }
}
