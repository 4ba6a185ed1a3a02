/** For tests: the owner of a partition, which reads, flushes, closes segments and sweeps. */
import { ClosedSegmentSweep } from '#speed-layer/closed-segment-sweep.ts'
import { PartitionOwner } from '#speed-layer/partition-owner.ts'
import { DEFAULT_STREAM_LIMITS } from '#speed-layer/stream-limits.ts'
import { silent } from '#telemetry/emit.ts'
import type { Ground, Pause } from './ground.ts'
import { OffsetFold } from './offset-fold.ts'
import type { SimulatedLake } from './simulated-lake.ts'

/** longer than any read takes */
const GRACE = 1_000_000

/** A process with owners of several partitions, whose segments share files where the lake has such. */
export async function ownPartitions(ground: Ground, partitions: readonly number[], pause: Pause): Promise<void> {
  const lake = ground.lake(pause)
  await Promise.all(partitions.map((partition) => ownPartition(ground, partition, pause, lake)))
}

export function ownPartition(ground: Ground, partition: number, pause: Pause, together?: SimulatedLake): Promise<void> {
  return ground.again(pause, async () => {
    const machine = ground.machine(pause)
    const [log, lake] = [ground.log(machine.pause), together ?? ground.lake(machine.pause)]
    const limits = {
      ...DEFAULT_STREAM_LIMITS,
      batchRecordsMax: 1 + ground.random.below(3),
      segmentRecordsMax: 3 + ground.random.below(5),
      readerGraceMs: GRACE,
      logRetentionMs: ground.random.below(200),
    }
    const parts = { dataset: 'd', partition, log, limits, store: ground.store(machine.pause), emit: silent }
    const fold = new OffsetFold(lake, partition, log.identity, machine.pause)
    const owner = new PartitionOwner({ ...parts, lake, fold, step: machine.pause, clock: machine.clock })
    const sweep = new ClosedSegmentSweep({ ...parts, clock: machine.clock, elapsed: () => ground.now() })
    await owner.open()
    for (;;) {
      await pause()
      const choice = ground.random.below(6)
      if (choice <= 1) await owner.fill()
      else if (choice <= 3) {
        await owner.flush()
        // It has compared the log with what was flushed before.
        ground.unseenCuts.delete(partition)
      } else if (choice === 4) await owner.close()
      else if (ground.options.disasters) {
        sweep.closedUpTo(owner.openStart)
        await sweep.run()
      }
    }
  })
}
