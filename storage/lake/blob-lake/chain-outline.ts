/** Chains in groups of adjacent segments: the parts of a checkpoint, whose outlines it has, and what is behind it. */
import type { Offset } from '#core/offsets.ts'
import { segmentManifestName } from '../manifest-names.ts'
import { type ChainSource, chainsOf } from '../segment-chain.ts'
import type { CheckpointPart, SegmentCheckpoint } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import {
  type ChainOutline,
  joined,
  outlineOf,
  type SegmentGroup,
  type SegmentsOutline,
  type WantedGroup,
} from '../segment-outline.ts'

export interface OutlinedChain {
  readonly dataset: string
  readonly partition: number
  readonly checkpoint: SegmentCheckpoint | null
  /** of this partition, what the checkpoint does not have */
  readonly behind: readonly SegmentManifest[]
  readonly damaged: ChainSource['damaged']
  /** the segments of a checkpoint's parts */
  open(checkpoint: SegmentCheckpoint, parts: readonly CheckpointPart[]): Promise<readonly SegmentManifest[]>
}

/** @throws LakeError as Lake.chains */
export async function outlineChain(chain: OutlinedChain, wanted: WantedGroup): Promise<ChainOutline> {
  const { partition, checkpoint, behind } = chain
  const cuts = cutsOf(checkpoint, behind)
  const groups: SegmentGroup[] = []
  let start = 0
  for (const end of cuts) {
    groups.push(await groupOf(chain, { start, end }, wanted))
    start = end
  }
  const last = await segmentsIn(chain, { start, end: Number.POSITIVE_INFINITY })
  if (last.length > 0) {
    const group = describe({ start, end: last.at(-1)!.end }, last, outlineOf(last))
    groups.push({ ...group, segments: wanted(group, partition) ? last : null })
  }
  return { partition, groups, end: groups.at(-1)?.end ?? 0 }
}

interface Range {
  readonly start: Offset
  readonly end: Offset
}

/** The ends of parts that no compacted segment reaches beyond. */
function cutsOf(checkpoint: SegmentCheckpoint | null, behind: readonly SegmentManifest[]): Offset[] {
  const wide = behind.filter(({ replaces }) => replaces !== undefined)
  const ends = (checkpoint?.parts ?? []).map(({ end }) => end)
  return ends.filter((cut) => !wide.some(({ start, end }) => start < cut && cut < end))
}

async function groupOf(chain: OutlinedChain, range: Range, wanted: WantedGroup): Promise<SegmentGroup> {
  const wide = chain.behind.filter(({ start }) => isIn(range, start))
  const parts = partsIn(chain.checkpoint, range)
  const outlines = parts.map(({ outline }) => outline)
  if (outlines.every((outline) => outline !== undefined)) {
    const group = describe(range, wide, withCompacted(joined(outlines), wide), parts)
    if (!wanted(group, chain.partition)) return { ...group, segments: null }
    return { ...group, segments: await segmentsIn(chain, range) }
  }
  const segments = await segmentsIn(chain, range)
  const group = describe(range, segments, outlineOf(segments))
  return { ...group, segments: wanted(group, chain.partition) ? segments : null }
}

/** A compacted segment has the events of those that it replaces, and was closed later. */
function withCompacted(outline: SegmentsOutline, wide: readonly SegmentManifest[]): SegmentsOutline {
  return wide.length === 0 ? outline : { ...joined([outline, outlineOf(wide)]), rows: outline.rows }
}

function describe(
  { start, end }: Range,
  segments: readonly SegmentManifest[],
  outline: SegmentsOutline,
  parts: readonly CheckpointPart[] = [],
): Omit<SegmentGroup, 'segments'> {
  const isSummarized =
    segments.some(({ kind }) => kind === 'summary') ||
    parts.some(({ compacted }) => compacted.some((name) => name.endsWith('.s.json')))
  return { start, end, isSummarized, outline }
}

/** The compacted chain of a range that begins and ends with a part, or reaches to the end of the chain. */
async function segmentsIn(chain: OutlinedChain, range: Range): Promise<readonly SegmentManifest[]> {
  const { dataset, partition, checkpoint, behind, damaged } = chain
  const parts = partsIn(checkpoint, range)
  const opened = checkpoint === null || parts.length === 0 ? [] : await chain.open(checkpoint, parts)
  const own = [...opened, ...behind.filter(({ start }) => isIn(range, start))]
  const manifests = new Map(own.map((segment) => [segmentManifestName(segment), segment]))
  const pasts = new Map(range.start === 0 ? [] : [[partition, { end: range.start, log: '', closedAtMs: 0, floor: 0 }]])
  const isLast = range.end === Number.POSITIVE_INFINITY
  const source = { dataset, manifests, pasts, ...(isLast && damaged && { damaged }) }
  return chainsOf(source, [...manifests.values()], partition).compacted.segments
}

function partsIn(checkpoint: SegmentCheckpoint | null, range: Range): readonly CheckpointPart[] {
  return (checkpoint?.parts ?? []).filter(({ start }) => isIn(range, start))
}

function isIn({ start, end }: Range, offset: Offset): boolean {
  return start <= offset && offset < end
}
