/** Removes replaced segments, and partials that every generation counts: see Lake.removeReplaced. */
import { dirname } from 'node:path/posix'
import type { Offset } from '#core/offsets.ts'
import type { RemovalOptions } from '../lake.ts'
import { parseSegmentFile, segmentManifestName } from '../manifest-names.ts'
import type { CheckpointPart, SegmentCheckpoint } from '../segment-checkpoint.ts'
import { type NeedlessFiles, needlessSegmentFiles, without } from '../segment-files.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import type { BlobSegments } from './blob-segments.ts'
import type { Blobs } from './blobs.ts'
import { leaveOut } from './chain-checkpoints.ts'
import { reaches } from './checkpoint-files.ts'
import { type RemovalMark, readRemovalMark, writeRemovalMark } from './removal-mark.ts'

/**
 * What is needless by the mark of the last removal is gone already, and is left out; only without a mark are all manifests read and all
 * files listed.
 *
 * @returns bytes freed
 */
export async function removeReplaced(
  blobs: Blobs,
  segments: BlobSegments,
  boundary: readonly Offset[],
  olderThanMs: number,
  { inUse = new Set(), thorough = true }: RemovalOptions = {},
): Promise<number> {
  const mark = thorough ? null : await readRemovalMark(blobs)
  if (mark === null) segments.folders.forget()
  const manifests = mark === null ? await segments.all() : await segments.unraced(() => changedSince(segments, mark))
  const all = needlessSegmentFiles(manifests, boundary, olderThanMs)
  const gone = mark && needlessSegmentFiles(manifests, mark.boundary, mark.olderThanMs, new Set(mark.left))
  const needless = without(needlessSegmentFiles(manifests, boundary, olderThanMs, inUse), gone)
  const freed = await removeAll(blobs, segments, { manifests, needless, isListed: mark === null })
  const left = all.files.map(({ path }) => path).filter((path) => inUse.has(path))
  await writeRemovalMark(blobs, { boundary, olderThanMs, left })
  return freed
}

/**
 * The manifests that can have become needless since the mark, and those that can take their place: what no checkpoint has, and of
 * checkpoints the parts with segments that were not counted then, were too young, or were in use, or that newly compacted ones replace.
 */
async function changedSince(
  segments: BlobSegments,
  { boundary, olderThanMs, left }: RemovalMark,
): Promise<ReadonlyMap<string, SegmentManifest>> {
  const { manifests, checkpoints } = await segments.current()
  const changed = new Map(manifests)
  const inUse = left.map(parseSegmentFile).filter((parsed) => parsed !== null)
  const open = async (checkpoint: SegmentCheckpoint, isWanted: (part: CheckpointPart) => boolean): Promise<void> => {
    for (const segment of await segments.folders.checkpoints.segments(checkpoint, isWanted))
      changed.set(segmentManifestName(segment), segment)
  }
  for (const [partition, checkpoint] of checkpoints) {
    const counted = boundary[partition] ?? 0
    const used = inUse.filter((parsed) => parsed.partition === partition)
    await open(
      checkpoint,
      (part) =>
        part.end > counted ||
        part.createdMaxMs >= olderThanMs ||
        used.some(({ start }) => reaches(part, start, start + 1)),
    )
  }
  const isNew = ({ partition, replaces, end, createdAtMs }: SegmentManifest): boolean =>
    replaces !== undefined && (end > (boundary[partition] ?? 0) || createdAtMs >= olderThanMs)
  for (const { partition, start, end } of [...changed.values()].filter(isNew)) {
    const checkpoint = checkpoints.get(partition)
    if (checkpoint !== undefined) await open(checkpoint, (part) => reaches(part, start, end))
  }
  return changed
}

interface Removed {
  readonly manifests: ReadonlyMap<string, SegmentManifest>
  readonly needless: NeedlessFiles
  /** whether to look which files there are, first */
  readonly isListed: boolean
}

/** Manifests are removed before the files that they name, so that no manifest names a missing file. */
async function removeAll(
  blobs: Blobs,
  segments: BlobSegments,
  { manifests, needless, isListed }: Removed,
): Promise<number> {
  await leaveOut(segments, manifests, needless.manifests)
  const paths = needless.manifests.map((name) => segments.folders.pathOf(name))
  for (const path of paths) await blobs.remove(path)
  await blobs.settle(new Set(paths.map((path) => dirname(path))))
  for (const name of needless.manifests) segments.folders.forgetAround(name)
  const present = isListed ? await segments.present() : null
  let freed = 0
  for (const file of needless.files)
    if (present?.has(file.path) !== false && (await blobs.remove(file.path))) freed += file.bytes
  return freed
}
