/** What of a checkpoint stands for its segments where nobody needs them one by one: so the parts that have them are not opened. */
import type { Offset } from '#core/offsets.ts'
import type { PastSegments } from '../lake.ts'
import { parseSegmentName } from '../manifest-names.ts'
import type { CheckpointPart, SegmentCheckpoint } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'

/**
 * By partition, what stands for segments that end at or before `after`: the first parts of the checkpoint, and compacted segments that reach beyond
 * these. A partition is absent where all of its segments are needed.
 *
 * @param behind manifests that no checkpoint has
 */
export function pastsOf(
  checkpoints: ReadonlyMap<number, SegmentCheckpoint>,
  behind: Iterable<SegmentManifest>,
  after: readonly Offset[],
): Map<number, PastSegments> {
  const wide = Map.groupBy(
    [...behind].filter(({ replaces }) => replaces !== undefined),
    ({ partition }) => partition,
  )
  const pasts = new Map<number, PastSegments>()
  for (const [partition, checkpoint] of checkpoints) {
    const past = pastOf(checkpoint, wide.get(partition) ?? [], after[partition] ?? 0)
    if (past !== null) pasts.set(partition, past)
  }
  return pasts
}

/** As many parts as end early enough, and what compacted segments add to them; null: not one does. */
function pastOf(
  { parts }: SegmentCheckpoint,
  compacted: readonly SegmentManifest[],
  after: Offset,
): PastSegments | null {
  for (let number = parts.length; number > 0; number--) {
    if (parts[number - 1]!.end > after) continue
    const past = pastOfParts(parts.slice(0, number), compacted, after)
    if (past !== null) return past
  }
  return null
}

function pastOfParts(
  parts: readonly CheckpointPart[],
  compacted: readonly SegmentManifest[],
  after: Offset,
): PastSegments | null {
  const { log, closedAtMs, end } = parts.at(-1)!
  if (log === null || parts.some((part) => part.log !== log)) return null
  const last = parts.findLast((part) => part.last !== undefined)?.last
  let past: PastSegments = { end, log, closedAtMs, floor: floorOf(parts), ...(last && { last }) }
  for (let next = beyond(compacted, past.end); next !== undefined; next = beyond(compacted, past.end)) {
    if (next.end > after || next.log !== log) return null
    const { end: behind, last: newer = past.last } = next
    past = { ...past, end: behind, closedAtMs: Math.max(closedAtMs, next.createdAtMs), ...(newer && { last: newer }) }
  }
  const summarized = compacted.filter(({ kind, end }) => kind === 'summary' && end <= past.end)
  return { ...past, floor: summarized.reduce((floor, { end }) => Math.max(floor, end), past.floor) }
}

/** One that begins before an offset and ends behind it. */
function beyond(compacted: readonly SegmentManifest[], offset: Offset): SegmentManifest | undefined {
  return compacted.find(({ start, end }) => start < offset && offset < end)
}

/** Of each part, where its last summary ends; 0: it has none. The names of compacted segments are many, and are the same at each look. */
const floors = new WeakMap<CheckpointPart, Offset>()

function floorOf(parts: readonly CheckpointPart[]): Offset {
  return parts.reduce((floor, part) => {
    const own = floors.get(part) ?? lastSummaryEnd(part)
    floors.set(part, own)
    return Math.max(floor, own)
  }, 0)
}

function lastSummaryEnd({ compacted }: CheckpointPart): Offset {
  const summaries = compacted.filter((name) => name.endsWith('.s.json'))
  return summaries.reduce((end, name) => Math.max(end, parseSegmentName(name)!.end!), 0)
}
