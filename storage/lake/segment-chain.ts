/**
 * Builds one contiguous chain per partition from the manifests of a lake.
 * Invariant: a chain covers every offset from 0, or from where its past ends, to its end exactly once; a lake without such chains is refused.
 */
import type { Offset } from '#core/offsets.ts'
import type { Chains, PastSegments, SegmentChain } from './lake.ts'
import { LakeError } from './lake-error.ts'
import { parseSegmentName, segmentManifestName } from './manifest-names.ts'
import type { SegmentManifest } from './segment-manifest.ts'

export interface ChainSource {
  readonly dataset: string
  /** by file name */
  readonly manifests: ReadonlyMap<string, SegmentManifest>
  /** file name → why it cannot be read */
  readonly damaged?: ReadonlyMap<string, LakeError>
  /** per partition, an offset: damaged manifests of segments before it leave a hole in the chain, and are not an error */
  readonly counted?: readonly Offset[]
  /** by partition, what stands for segments that are not among the manifests; absent: nothing does */
  readonly pasts?: ReadonlyMap<number, PastSegments>
}

/**
 * @param partitions minimum number of chains: further partitions that manifests name also have one, because a Kafka topic can have gained
 * partitions since the caller read their number
 * @throws LakeError 'chain-broken' if segments are missing or overlap; 'manifest-damaged' if the chain needs a manifest that is
 */
export function buildChains(source: ChainSource, partitions: number): Chains {
  const named = [...namesOf(source)].reduce((most, { partition }) => Math.max(most, partition + 1), 0)
  const all = byPartition(source, Math.max(partitions, named))
  const built = all.map((segments, partition) => chainsOf(source, segments, partition))
  return { compacted: built.map(({ compacted }) => compacted), closed: built.map(({ closed }) => closed) }
}

/** The chain of one partition, whatever is wrong with the others. @throws LakeError as buildChains */
export function buildChain(source: ChainSource, partition: number): SegmentChain {
  const own = [...source.manifests.values()].filter((manifest) => manifest.partition === partition)
  return chainsOf(source, own, partition).closed
}

function byPartition({ manifests }: ChainSource, partitions: number): SegmentManifest[][] {
  const all = Array.from({ length: partitions }, (): SegmentManifest[] => [])
  for (const manifest of manifests.values()) all[manifest.partition]!.push(manifest)
  return all
}

function* namesOf({
  manifests,
  damaged = new Map(),
  pasts = new Map(),
}: ChainSource): Iterable<{ readonly partition: number }> {
  for (const partition of pasts.keys()) yield { partition }
  yield* manifests.values()
  for (const name of damaged.keys()) yield parseSegmentName(name)!
}

/** Both chains of one partition. @param segments all of its manifests. @throws LakeError as buildChains */
export function chainsOf(
  source: ChainSource,
  segments: readonly SegmentManifest[],
  partition: number,
): { readonly closed: SegmentChain; readonly compacted: SegmentChain } {
  const past = source.pasts?.get(partition)
  const tops = uncovered(past === undefined ? segments : segments.filter(({ start }) => start >= past.end))
  const chain = (some: readonly SegmentManifest[]): SegmentChain => {
    return { partition, segments: some, end: endOf(source, partition, some), ...(past && { past }) }
  }
  return { compacted: chain(tops), closed: chain(tops.flatMap((segment) => originals(segment, source.manifests))) }
}

/**
 * Drops the segments that start inside a compacted one: those it replaces, and those that a former owner of the partition
 * committed after they were removed. Ordered by start.
 */
function uncovered(segments: readonly SegmentManifest[]): SegmentManifest[] {
  const sorted = segments.toSorted(
    // A former owner's segment can reach beyond the compacted one that begins where it does; a summary can replace one of its own length.
    (a, b) =>
      a.start - b.start ||
      Number(!!b.replaces) - Number(!!a.replaces) ||
      b.end - a.end ||
      Number(b.kind === 'summary') - Number(a.kind === 'summary'),
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

/** The end of the chain. @throws LakeError unless every offset before it is covered once, or was counted in a segment whose manifest is damaged */
function endOf(source: ChainSource, partition: number, segments: readonly SegmentManifest[]): Offset {
  const counted = source.counted?.[partition] ?? 0
  let end = source.pasts?.get(partition)?.end ?? 0
  for (const segment of segments) {
    if (segment.start < end) throw broken(source, segment, 'two manifests cover', segment.start, end)
    if (segment.start > end) {
      const damage = damageIn(source, partition, end, segment.start)
      if (damage === null) throw broken(source, segment, 'no manifest covers', end, segment.start)
      if (segment.start > counted) throw damage
    }
    end = segment.end
  }
  // Where damaged manifests are the last ones, only the generation tells where their segments end.
  const behind = damageIn(source, partition, Math.max(end, counted), Number.POSITIVE_INFINITY)
  if (behind !== null) throw behind
  return damageIn(source, partition, end, counted) === null ? end : counted
}

/** Why the offsets of `[from, to)`, which no readable manifest covers, are not known; null where no damaged manifest has them. */
function damageIn({ damaged }: ChainSource, partition: number, from: Offset, to: Offset): LakeError | null {
  for (const [name, error] of damaged ?? []) {
    const parsed = parseSegmentName(name)!
    const isOpenEnded = parsed.end === null && parsed.start >= from
    if (parsed.partition === partition && parsed.start < to && (isOpenEnded || (parsed.end ?? 0) > from)) return error
  }
  return null
}

function broken({ dataset }: ChainSource, segment: SegmentManifest, what: string, from: Offset, to: Offset): LakeError {
  const { partition } = segment
  return new LakeError(
    'chain-broken',
    `lake, dataset '${dataset}', partition ${partition}: ${what} the offsets [${from}, ${to}) before '${segmentManifestName(segment)}'; restore the folder 'manifests' from a copy, or run \`watershed doctor --repair\` to make missing segments again from the log or from their files`,
  )
}

/** The chain without the segments that end at or before `after`. */
export function cutChain(chain: SegmentChain, after: Offset): SegmentChain {
  const first = chain.segments.findIndex(({ end }) => end > after)
  const left = first === -1 ? chain.segments : chain.segments.slice(0, first)
  const past = pastOf(left)
  return past === null ? chain : { ...chain, segments: chain.segments.slice(left.length), past }
}

/** What stands for the segments, which begin at offset 0; null where they are none, or of several logs. */
function pastOf(segments: readonly SegmentManifest[]): PastSegments | null {
  const newest = segments.at(-1)
  if (newest === undefined || segments.some(({ log }) => log !== newest.log)) return null
  const last = segments.findLast((segment) => segment.last !== undefined)?.last
  const floor = segments[0]!.kind === 'summary' ? segments[0]!.end : 0
  return { end: newest.end, log: newest.log, closedAtMs: newest.createdAtMs, floor, ...(last && { last }) }
}
