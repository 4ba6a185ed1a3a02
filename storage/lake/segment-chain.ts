/**
 * Builds one contiguous chain per partition from the manifests of a lake.
 * Invariant: a chain covers every offset from 0 to its end exactly once; a lake without such chains is refused.
 */

import type { SegmentChain } from './lake.ts'
import { LakeError } from './lake-error.ts'
import { segmentManifestName } from './manifest-names.ts'
import type { SegmentManifest } from './segment-manifest.ts'

export interface Chains {
  /** every segment as its owner closed it, as far as it still exists */
  readonly closed: readonly SegmentChain[]
  /** compacted segments in place of those they replace */
  readonly compacted: readonly SegmentChain[]
}

/**
 * @param partitions minimum number of chains: further partitions that manifests name also have one, because a Kafka topic can have gained
 * partitions since the caller read their number
 * @throws LakeError 'chain-broken' if segments are missing or overlap
 */
export function buildChains(
  dataset: string,
  manifests: ReadonlyMap<string, SegmentManifest>,
  partitions: number,
): Chains {
  const named = [...manifests.values()].reduce((most, { partition }) => Math.max(most, partition + 1), 0)
  const all = Array.from({ length: Math.max(partitions, named) }, (): SegmentManifest[] => [])
  for (const manifest of manifests.values()) all[manifest.partition]!.push(manifest)
  const tops = all.map(uncovered)
  const chain = (segments: readonly SegmentManifest[], partition: number): SegmentChain => {
    assertContiguous(dataset, partition, segments)
    return { partition, segments, end: segments.at(-1)?.end ?? 0 }
  }
  return {
    compacted: tops.map(chain),
    closed: tops.map((segments, partition) =>
      chain(
        segments.flatMap((segment) => originals(segment, manifests)),
        partition,
      ),
    ),
  }
}

/**
 * Drops the segments that start inside a compacted one: those it replaces, and those that a former owner of the partition
 * committed after they were removed. Ordered by start.
 */
function uncovered(segments: readonly SegmentManifest[]): SegmentManifest[] {
  const sorted = segments.toSorted(
    // A former owner's segment can reach beyond the compacted one that begins where it does.
    (a, b) => a.start - b.start || Number(!!b.replaces) - Number(!!a.replaces) || b.end - a.end,
  )
  let coveredTo = 0
  return sorted.filter((segment) => {
    if (segment.start < coveredTo) return false
    if (segment.replaces) coveredTo = segment.end
    return true
  })
}

/** The segments that a compacted one replaces, if all still exist; otherwise the compacted one. */
function originals(
  segment: SegmentManifest,
  manifests: ReadonlyMap<string, SegmentManifest>,
): readonly SegmentManifest[] {
  if (!segment.replaces) return [segment]
  let end = segment.start
  for (const name of segment.replaces) {
    const manifest = manifests.get(name)
    if (manifest?.start !== end) return [segment]
    end = manifest.end
  }
  if (end !== segment.end) return [segment]
  return segment.replaces.flatMap((name) => originals(manifests.get(name)!, manifests))
}

function assertContiguous(dataset: string, partition: number, segments: readonly SegmentManifest[]): void {
  let end = 0
  for (const segment of segments) {
    if (segment.start !== end) {
      const what = segment.start > end ? 'no manifest covers' : 'two manifests cover'
      const [from, to] = [Math.min(end, segment.start), Math.max(end, segment.start)]
      throw new LakeError(
        'chain-broken',
        `lake, dataset '${dataset}', partition ${partition}: ${what} the offsets [${from}, ${to}) before '${segmentManifestName(segment)}'; restore the folder 'manifests' from a copy`,
      )
    }
    end = segment.end
  }
}
