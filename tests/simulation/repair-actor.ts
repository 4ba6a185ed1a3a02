/** For tests: an operator who repairs. */
import type { Offset } from '#core/offsets.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { MemoryLog } from '#storage/log/memory/memory-log.ts'
import { disagreements } from '#verification/disagreements.ts'
import { dataset, type Ground, PARTITIONS, type Pause } from './ground.ts'
import type { SimulatedRecord } from './histories.ts'
import { statesOf } from './key-states.ts'
import { VIEW } from './offset-fold.ts'

/** Somebody runs `watershed doctor --repair --accept-log-loss` where the platform refuses. */
export function repairAgain(ground: Ground, pause: Pause): Promise<void> {
  return ground.again(pause, async () => {
    const machine = ground.machine(pause)
    const [log, lake] = [ground.log(machine.pause), ground.lake(machine.pause)]
    if ((await lake.refusals()).size === 0 || ground.random.chance(0.5)) return
    const moveRecords: MemoryLog['moveRecords'] = async (partition, from, to) => {
      await log.moveRecords(partition, from, to)
      const own = ground.histories.newest(partition)
      const kept = closed(ground, partition).slice(0, to)
      ground.histories.begin(partition, [...kept, ...own.slice(from)])
    }
    const compared = {
      ...{ dataset, lake, store: ground.store(machine.pause), partitions: PARTITIONS },
      log: { ...bound(log), moveRecords },
      countedArrivals: async () => new Map<Offset, number>(),
    }
    for (const { repair } of await disagreements(compared, { acceptLogLoss: true })) {
      await repair?.()
      ground.seen.repairs++
    }
  })
}

/** What the closed segments count, by offset; a gap is filled with what was lost. */
function closed(ground: Ground, partition: number): SimulatedRecord[] {
  const lake = ground.lake()
  const records: SimulatedRecord[] = []
  for (const manifest of ground.folder.manifests.values()) {
    const file = manifest.kind === 'summary' ? manifest.partials[VIEW.name]?.file : manifest.events
    if (manifest.partition !== partition || !file) continue
    for (const { k, records: own } of statesOf(lake, file)) for (const [offset, id] of own) records[offset] = { k, id }
  }
  return Array.from({ length: Math.max(0, ...ends(ground.folder.manifests.values(), partition)) }, (_, offset) => {
    return records[offset] ?? { k: 'lost', id: 0 }
  })
}

function ends(manifests: Iterable<SegmentManifest>, partition: number): Offset[] {
  return [...manifests].filter((manifest) => manifest.partition === partition).map(({ end }) => end)
}

function bound(log: MemoryLog) {
  return {
    identity: log.identity,
    range: (partition: number) => log.range(partition),
    read: (...asked: Parameters<MemoryLog['read']>) => log.read(...asked),
  }
}
