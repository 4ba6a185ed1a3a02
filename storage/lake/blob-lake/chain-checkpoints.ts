/** Writes checkpoints of chains, and compares them with manifests. */
import { isDeepStrictEqual } from 'node:util'
import type { Offset } from '#core/offsets.ts'
import { LakeError } from '../lake-error.ts'
import { parseSegmentName, segmentManifestName } from '../manifest-names.ts'
import { buildChain } from '../segment-chain.ts'
import { type CheckpointFault, hasManifest, type SegmentCheckpoint } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
import { type CheckpointFiles, UnusablePartError } from './checkpoint-files.ts'
import type { ManifestFolders } from './manifest-folders.ts'

export interface LoadedManifests {
  /** by file name */
  readonly manifests: ReadonlyMap<string, SegmentManifest>
  /** file name → why it cannot be read */
  readonly damaged: ReadonlyMap<string, LakeError>
}

/** Where manifests are read from, and checkpoints written. */
export interface CheckpointedSegments {
  readonly dataset: string
  readonly folders: ManifestFolders
  /** all manifests, also replaced ones. @throws LakeError if one is damaged */
  all(): Promise<ReadonlyMap<string, SegmentManifest>>
  readable(): Promise<LoadedManifests>
  /** those that chains are built from. @throws LakeError as `all`, of those behind checkpoints */
  current(): Promise<CurrentManifests>
  /** again where it raced with a change, or a checkpoint could not be used */
  unraced<T>(read: () => Promise<T>): Promise<T>
}

export interface CurrentManifests {
  /** by file name, what no checkpoint has */
  readonly manifests: ReadonlyMap<string, SegmentManifest>
  /** by partition */
  readonly checkpoints: ReadonlyMap<number, SegmentCheckpoint>
}

/** a checkpoint is written when so many segments of a partition are not in the last one */
export const CHECKPOINT_SEGMENTS = 64
const COMPARED_TIMES = 3

/**
 * For the holder of the batch lock. A damaged checkpoint is replaced however few segments there are, as it stands for nothing.
 * @param counted by partition, before which offset segments are taken. @returns how many were written
 */
export async function writeCheckpoints(segments: CheckpointedSegments, counted: readonly Offset[]): Promise<number> {
  const { checkpoints } = segments.folders
  const manifests = await segments.all()
  let written = 0
  for (const partition of await segments.folders.partitions()) {
    const { segments: chain } = buildChain({ dataset: segments.dataset, manifests }, partition)
    const taken = chain.filter(({ end }) => end <= (counted[partition] ?? 0))
    const saved = await namesIn(checkpoints, (await checkpoints.newest(partition))?.found)
    const fresh = taken.filter((segment) => saved?.has(segmentManifestName(segment)) !== true)
    if (taken.length === 0 || (fresh.length < CHECKPOINT_SEGMENTS && saved !== null)) continue
    await checkpoints.write(partition, taken)
    written++
  }
  return written
}

/** The same, of partitions that lack one, behind their last checkpoint: neither manifests nor what it has are read again. */
export async function continueCheckpoints(segments: CheckpointedSegments, counted: readonly Offset[]): Promise<number> {
  let written = 0
  await segments.unraced(async () => {
    const { manifests, checkpoints } = await segments.current()
    for (const [partition, behind] of Map.groupBy(manifests.values(), (segment) => segment.partition)) {
      const before = checkpoints.get(partition) ?? null
      const isDamaged = before === null && (await segments.folders.checkpoints.isDamaged(partition))
      if (behind.length < CHECKPOINT_SEGMENTS && !isDamaged) continue
      const unsavedMin = isDamaged ? 1 : CHECKPOINT_SEGMENTS
      const continued = { behind, before, counted: counted[partition] ?? 0, unsavedMin }
      if (await continueOne(segments, partition, continued)) written++
    }
  })
  return written
}

interface Continued {
  /** what no checkpoint has */
  readonly behind: readonly SegmentManifest[]
  readonly before: SegmentCheckpoint | null
  readonly counted: Offset
  /** segments that the next one must add */
  readonly unsavedMin: number
}

async function continueOne(
  segments: CheckpointedSegments,
  partition: number,
  { behind, before, counted, unsavedMin }: Continued,
): Promise<boolean> {
  const { checkpoints } = segments.folders
  // A compacted segment that begins in the checkpoint takes the place of what it has.
  const from = lowest(before?.end ?? 0, partsFrom(before, overlapping(behind, before)))
  const read = before === null ? [] : await checkpoints.segments(before, ({ start }) => start >= from)
  const chain = chainFrom(segments.dataset, partition, [...read, ...behind], from)
  const taken = chain.filter(({ end }) => end <= counted)
  const unsaved = taken.filter((segment) => before === null || !hasManifest(before, segmentManifestName(segment)))
  if (unsaved.length < unsavedMin) return false
  await checkpoints.write(partition, taken, before)
  return true
}

/** Where the compacted segments begin that reach from what a checkpoint has to what is behind it. */
function overlapping(behind: readonly SegmentManifest[], before: SegmentCheckpoint | null): Offset[] {
  if (before === null) return []
  return behind.filter(({ start, end }) => start < before.end && end > before.end).map(({ start }) => start)
}

/** Where the part begins that has the first of the offsets. */
function partsFrom(checkpoint: SegmentCheckpoint | null, offsets: readonly Offset[]): Offset[] {
  const first = Math.min(...offsets)
  return (checkpoint?.parts ?? []).filter(({ start, end }) => start <= first && first < end).map(({ start }) => start)
}

function lowest(one: Offset, others: readonly Offset[]): Offset {
  return Math.min(one, ...others)
}

/** The closed chain from an offset on, where one of its segments begins. */
function chainFrom(
  dataset: string,
  partition: number,
  some: readonly SegmentManifest[],
  from: Offset,
): readonly SegmentManifest[] {
  const own = some.filter((segment) => segment.start >= from)
  const manifests = new Map(own.map((segment) => [segmentManifestName(segment), segment]))
  const past = { end: from, log: '', closedAtMs: 0, floor: 0 }
  return buildChain({ dataset, manifests, pasts: new Map([[partition, past]]) }, partition).segments
}

/**
 * Before manifests are removed: checkpoints that have them are replaced by ones without them, so that no reader takes a removed segment
 * from a checkpoint. The parts before them stay.
 *
 * @param manifests those that take part in the removal, at least
 * @param removed names of those that are about to be removed
 */
export async function leaveOut(
  segments: CheckpointedSegments,
  manifests: ReadonlyMap<string, SegmentManifest>,
  removed: readonly string[],
): Promise<void> {
  const { checkpoints } = segments.folders
  for (const [partition, names] of Map.groupBy(removed, (name) => parseSegmentName(name)!.partition)) {
    const found = (await checkpoints.newest(partition))?.found
    if (found === undefined || found instanceof LakeError) continue
    const saved = names.filter((name) => hasManifest(found, name)).map((name) => parseSegmentName(name)!.start)
    if (saved.length === 0) continue
    const own = [...manifests.values()].filter((segment) => segment.partition === partition)
    const wide = own.filter(({ replaces }) => replaces !== undefined)
    const starts = saved.flatMap((start) => [
      start,
      ...wide.filter((one) => covers(one, start)).map((one) => one.start),
    ])
    const from = lowest(found.end, partsFrom(found, starts))
    const gone = new Set(names)
    const read = await savedIn(checkpoints.segments(found, ({ start }) => start >= from))
    if (read instanceof LakeError) {
      await checkpoints.drop(partition)
      continue
    }
    const kept = [...read, ...own].filter((segment) => !gone.has(segmentManifestName(segment)))
    const chain = chainFrom(segments.dataset, partition, kept, from)
    await checkpoints.write(
      partition,
      chain.filter((segment) => segment.start < found.end),
      found,
    )
  }
}

function covers({ start, end }: SegmentManifest, offset: Offset): boolean {
  return start <= offset && offset < end
}

/** What checkpoints say that the manifests do not. A manifest that is damaged itself is not reported here. */
export async function checkpointFaults(
  segments: CheckpointedSegments,
  counted: readonly Offset[],
): Promise<readonly CheckpointFault[]> {
  const partitions = await segments.folders.partitions()
  const faults = await Promise.all(
    partitions.map((partition) => faultsOf(segments, partition, counted[partition] ?? 0)),
  )
  return faults.flat()
}

/** A checkpoint can be replaced, and manifests removed, while they are compared. */
async function faultsOf(
  segments: CheckpointedSegments,
  partition: number,
  counted: Offset,
): Promise<readonly CheckpointFault[]> {
  const { checkpoints } = segments.folders
  for (let times = 1; ; times++) {
    const newest = await checkpoints.newest(partition)
    if (newest === null) return missing(segments, partition, counted)
    const { name, found } = newest
    const problems = found instanceof LakeError ? [found.message] : await differences(segments, found)
    const isLast = times === COMPARED_TIMES || (await checkpoints.newest(partition))?.name === name
    if (problems.length === 0 || isLast) return problems.map((problem) => ({ name, partition, problem }))
  }
}

/** A checkpoint that was removed has left its parts, or many segments that no checkpoint has. */
async function missing(
  segments: CheckpointedSegments,
  partition: number,
  counted: Offset,
): Promise<readonly CheckpointFault[]> {
  const fault = (problem: string): readonly CheckpointFault[] => [{ name: null, partition, problem }]
  const parts = await segments.folders.checkpoints.parts(partition)
  if (parts > 0)
    return fault(`the ${parts} files of its segments are there: it was removed, or a process died while it was written`)
  const { manifests, damaged } = await segments.readable()
  if (damaged.size > 0) return []
  const { segments: chain } = buildChain({ dataset: segments.dataset, manifests }, partition)
  const taken = chain.filter(({ end }) => end <= counted)
  return taken.length < CHECKPOINT_SEGMENTS ? [] : fault(`${taken.length} of its segments are counted`)
}

async function differences(segments: CheckpointedSegments, checkpoint: SegmentCheckpoint): Promise<readonly string[]> {
  const saved = await savedIn(segments.folders.checkpoints.reread(checkpoint))
  if (saved instanceof LakeError) return [saved.message]
  const { manifests, damaged } = await segments.readable()
  return saved.flatMap((segment) => {
    const name = segmentManifestName(segment)
    const manifest = manifests.get(name)
    if (damaged.has(name) || (manifest !== undefined && isDeepStrictEqual(manifest, segment))) return []
    return manifest === undefined
      ? [`it has the segment '${name}', whose manifest is missing`]
      : [`it has the segment '${name}' other than its manifest`]
  })
}

/** An error where a part cannot be used. */
async function savedIn(
  reading: Promise<readonly SegmentManifest[]>,
): Promise<readonly SegmentManifest[] | UnusablePartError> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof UnusablePartError) return error
    throw error
  }
}

/** null: it is damaged */
async function namesIn(
  checkpoints: CheckpointFiles,
  found: SegmentCheckpoint | LakeError | undefined,
): Promise<ReadonlySet<string> | null> {
  if (found === undefined) return new Set()
  if (found instanceof LakeError) return found.code === 'manifest-damaged' ? null : new Set()
  const saved = await savedIn(checkpoints.reread(found))
  return saved instanceof LakeError ? null : new Set(saved.map(segmentManifestName))
}
