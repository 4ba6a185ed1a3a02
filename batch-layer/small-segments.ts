/**
 * Which segments a compaction merges. It looks at what has landed since the last one, and at what that one left: how long the history before is
 * makes no difference.
 */
import type { Offset } from '#core/offsets.ts'
import type { CompactionMark, CompactionRule } from '#storage/lake/compaction-mark.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { arrivedMs } from './raw-horizon.ts'

const SEGMENTS_PER_MERGE_MAX = 1_000

export interface SmallSegments {
  /** of adjacent segments, each to be merged into one */
  readonly groups: readonly (readonly SegmentManifest[])[]
  /** the mark to write once they are merged; null: the lake has it already */
  readonly next: CompactionMark | null
}

/**
 * @param boundary by partition: segments are merged that end at or before it
 * @throws LakeError as Lake.chains
 */
export async function lookForSmall(
  lake: Pick<Lake, 'chains' | 'compactionMark'>,
  boundary: readonly Offset[],
  rule: CompactionRule,
): Promise<SmallSegments> {
  const mark = usable(await lake.compactionMark(), rule)
  const isLooked = (partition: number): boolean => mark !== null && mark.to[partition] === boundary[partition]
  if (boundary.every((_, partition) => isLooked(partition))) return { groups: [], next: null }
  const after = boundary.map((end, partition) => (isLooked(partition) ? end : (mark?.from[partition] ?? 0)))
  const chains = await lake.chains(boundary.length, { compacted: true, after })
  // After a copy from before the mark was written was restored, it speaks of other segments.
  const isOlder = mark !== null && chains.some(({ partition, end }) => end < (mark.to[partition] ?? 0))
  const looked = isOlder ? await lake.chains(boundary.length, { compacted: true }) : chains
  const found = boundary.map((end, partition) => {
    if (!isOlder && isLooked(partition)) return { groups: [], from: mark!.from[partition] ?? 0, to: end }
    return smallIn(looked[partition]!, { start: isOlder ? 0 : after[partition]!, end }, rule)
  })
  const next = { ...rule, from: found.map(({ from }) => from), to: found.map(({ to }) => to) }
  return { groups: found.flatMap(({ groups }) => groups), next }
}

function usable(mark: CompactionMark | null, { rowsTarget, spanMsMax }: CompactionRule): CompactionMark | null {
  return mark?.rowsTarget === rowsTarget && mark.spanMsMax === spanMsMax ? mark : null
}

interface SmallInChain {
  readonly groups: readonly (readonly SegmentManifest[])[]
  /** of the partition, as in the mark */
  readonly from: Offset
  readonly to: Offset
}

function smallIn(
  { segments }: SegmentChain,
  { start, end }: { readonly start: Offset; readonly end: Offset },
  { rowsTarget, spanMsMax }: CompactionRule,
): SmallInChain {
  const counted = segments.filter((segment) => segment.start >= start && segment.end <= end)
  const groups = groupSmall(counted, rowsTarget, spanMsMax)
  const left = merged(counted, groups)
  // What was merged is merged again with its neighbours if all of them are small: next time.
  const [again] = groupSmall(left, rowsTarget, spanMsMax)
  if (again !== undefined) return { groups, from: again[0]!.start, to: again[0]!.start }
  const last = left.at(-1)
  return { groups, from: last !== undefined && isSmall(last, rowsTarget) ? last.start : end, to: end }
}

/** As they will be, as far as grouping them depends on it. */
function merged(
  segments: readonly SegmentManifest[],
  groups: readonly (readonly SegmentManifest[])[],
): readonly SegmentManifest[] {
  const byStart = new Map(groups.map((group) => [group[0]!.start, group]))
  const left: SegmentManifest[] = []
  for (const segment of segments) {
    if (segment.start < (left.at(-1)?.end ?? 0)) continue
    const group = byStart.get(segment.start) ?? [segment]
    const filled = group.find(({ rows }) => rows > 0) ?? segment
    const { end, createdAtMs } = group.at(-1)!
    const rows = group.reduce((sum, each) => sum + each.rows, 0)
    const last = group.findLast((each) => each.last !== undefined)?.last
    left.push({ ...filled, start: segment.start, end, rows, createdAtMs, ...(last && { last }) })
  }
  return left
}

/**
 * Groups of adjacent segments that together form one large segment. A gap, or another log or schema, ends a group.
 *
 * @param spanMsMax how far apart the arrivals of a group may be; null: any distance
 */
export function groupSmall(
  segments: readonly SegmentManifest[],
  rowsTarget: number,
  spanMsMax: number | null = null,
): SegmentManifest[][] {
  const groups: SegmentManifest[][] = []
  let open: SegmentManifest[] = []
  let rows = 0
  const end = (): void => {
    if (open.length > 1) groups.push(open)
    open = []
    rows = 0
  }
  for (const segment of segments) {
    if (!isSmall(segment, rowsTarget)) {
      end()
      continue
    }
    const fits =
      rows + segment.rows <= rowsTarget &&
      open.length < SEGMENTS_PER_MERGE_MAX &&
      (open.length === 0 || spanMsMax === null || arrivedMs(segment) - arrivedMs(open[0]!) <= spanMsMax)
    if (open.length > 0 && !(fits && open.every((each) => sameShape(each, segment)))) end()
    open.push(segment)
    rows += segment.rows
  }
  end()
  return groups
}

function sameShape(a: SegmentManifest, b: SegmentManifest): boolean {
  // A segment without rows fits those with the JSON of their events, and those without.
  const sameRaw = a.rows === 0 || b.rows === 0 || (a.raw === undefined) === (b.raw === undefined)
  return (
    sameRaw &&
    a.log === b.log &&
    a.schemaHash === b.schemaHash &&
    JSON.stringify(a.columns) === JSON.stringify(b.columns)
  )
}

function isSmall({ kind, rows }: SegmentManifest, rowsTarget: number): boolean {
  return kind === 'events' && rows <= rowsTarget / 2
}
