/** Checkpoints of segments that do not say what the manifests say: readers are given the manifests again, then new checkpoints. */
import type { Lake } from '#storage/lake/lake.ts'
import type { Finding } from './finding.ts'

const ADVICE =
  'answers are right as long as the manifests are: run `watershed doctor --repair`, which writes it again from them'

export async function examineCheckpoints(lake: Lake): Promise<Finding[]> {
  const faults = await lake.checkpointFaults()
  return faults.map(({ name, partition, problem }) => ({
    part: 'lake',
    state: 'attention',
    message: `the checkpoint '${name}' of partition ${partition} does not agree with the manifests: ${problem}`,
    advice: ADVICE,
    numbers: { checkpoint: name, partition },
  }))
}

/** @returns one sentence per checkpoint that was removed or written again. @throws if a batch run is in progress */
export async function repairCheckpoints(lake: Lake): Promise<string[]> {
  if ((await lake.checkpointFaults()).length === 0) return []
  const lock = await lake.tryLock('batch')
  if (lock === null) throw new Error('a batch run is in progress; try again when it has finished')
  try {
    const faults = new Map((await lake.checkpointFaults()).map((fault) => [fault.partition, fault]))
    for (const partition of faults.keys()) await lake.dropCheckpoint(partition)
    await lake.checkpoint((await lake.current())?.boundary ?? [])
    return [...faults.values()].map(
      ({ name, partition }) => `the checkpoint '${name}' of partition ${partition} was replaced from the manifests`,
    )
  } finally {
    await lock.release()
  }
}
