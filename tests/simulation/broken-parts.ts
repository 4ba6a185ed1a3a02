/** For tests: parts with a fault put in on purpose, which the simulation must find. */
import { MemoryLake } from '#storage/lake/memory/memory-lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { PartialRow, SpeedStore } from '#storage/speed-store/speed-store.ts'

/** A store that forgets the segment start in a partial's identity: the design says that this must go wrong. */
export function withoutSegmentStart(store: SpeedStore): SpeedStore {
  const forgetful = (row: PartialRow): PartialRow => ({ ...row, segmentStart: 0 })
  return {
    flush: (partials, marker) => store.flush(partials.map(forgetful), marker),
    read: async (views, starts) => ({
      markers: (await store.read(views, starts)).markers,
      rows: (await store.read(views, new Map([...starts].map(([partition]) => [partition, 0])))).rows,
    }),
    markers: () => store.markers(),
    deleteClosed: (partition, before, limit) => store.deleteClosed(partition, before, limit),
    close: () => store.close(),
  }
}

/** A lake as it was: manifests say only how far they reach, and a refusal is forgotten. */
export function withoutPrints(lake: MemoryLake): MemoryLake {
  return Object.assign(lake, {
    commitSegment: ({ last: _, ...manifest }: SegmentManifest) =>
      MemoryLake.prototype.commitSegment.call(lake, manifest),
    refuse: async () => {},
  })
}
