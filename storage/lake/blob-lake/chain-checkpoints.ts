/** Writes checkpoints of chains, and compares them with manifests. */
import { isDeepStrictEqual } from 'node:util'
import type { Offset } from '#core/offsets.ts'
import { LakeError } from '../lake-error.ts'
import { parseSegmentName, segmentManifestName } from '../manifest-names.ts'
import { buildChain } from '../segment-chain.ts'
import type { CheckpointFault, SegmentCheckpoint } from '../segment-checkpoint.ts'
import type { SegmentManifest } from '../segment-manifest.ts'
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
  /** those that chains are built from: what checkpoints have, and what is behind them. @throws LakeError as `all` */
  current(): Promise<CurrentManifests>
}

export interface CurrentManifests {
  readonly manifests: ReadonlyMap<string, SegmentManifest>
  /** names of those that a checkpoint has */
  readonly checkpointed: ReadonlySet<string>
}

/** a checkpoint is written when so many segments of a partition are not in the last one */
export const CHECKPOINT_SEGMENTS = 64
const COMPARED_TIMES = 3

/** For the holder of the batch lock. @param counted by partition, before which offset segments are taken. @returns how many were written */
export async function writeCheckpoints(segments: CheckpointedSegments, counted: readonly Offset[]): Promise<number> {
  const { checkpoints } = segments.folders
  const manifests = await segments.all()
  let written = 0
  for (const partition of await segments.folders.partitions()) {
    const { segments: chain } = buildChain({ dataset: segments.dataset, manifests }, partition)
    const taken = chain.filter(({ end }) => end <= (counted[partition] ?? 0))
    const saved = namesIn((await checkpoints.newest(partition))?.found)
    const fresh = taken.filter((segment) => !saved.has(segmentManifestName(segment)))
    if (fresh.length < CHECKPOINT_SEGMENTS) continue
    await checkpoints.write(partition, taken)
    written++
  }
  return written
}

/** The same, of partitions that lack one, from their last checkpoint and what is behind it: no manifest is read again. */
export async function continueCheckpoints(segments: CheckpointedSegments, counted: readonly Offset[]): Promise<number> {
  const { manifests, checkpointed } = await segments.current()
  const behind = [...manifests.values()].filter((segment) => !checkpointed.has(segmentManifestName(segment)))
  let written = 0
  for (const [partition, fresh] of Map.groupBy(behind, (segment) => segment.partition)) {
    if (fresh.length < CHECKPOINT_SEGMENTS) continue
    const { segments: chain } = buildChain({ dataset: segments.dataset, manifests }, partition)
    const taken = chain.filter(({ end }) => end <= (counted[partition] ?? 0))
    const unsaved = taken.filter((segment) => !checkpointed.has(segmentManifestName(segment)))
    if (unsaved.length < CHECKPOINT_SEGMENTS) continue
    await segments.folders.checkpoints.write(partition, taken)
    written++
  }
  return written
}

/**
 * Before manifests are removed: checkpoints that have them are replaced by ones without them, so that no reader takes a removed segment
 * from a checkpoint.
 *
 * @param manifests all of the lake
 * @param removed names of those that are about to be removed
 */
export async function leaveOut(
  segments: CheckpointedSegments,
  manifests: ReadonlyMap<string, SegmentManifest>,
  removed: readonly string[],
): Promise<void> {
  const { checkpoints } = segments.folders
  const kept = new Map(manifests)
  for (const name of removed) kept.delete(name)
  for (const partition of new Set(removed.map((name) => parseSegmentName(name)!.partition))) {
    const found = (await checkpoints.newest(partition))?.found
    const saved = namesIn(found)
    if (found === undefined || !removed.some((name) => saved.has(name))) continue
    const { end } = found as SegmentCheckpoint
    const chain = buildChain({ dataset: segments.dataset, manifests: kept }, partition)
    await checkpoints.write(
      partition,
      chain.segments.filter((segment) => segment.start < end),
    )
  }
}

/** What checkpoints say that the manifests do not. A manifest that is damaged itself is not reported here. */
export async function checkpointFaults(segments: CheckpointedSegments): Promise<readonly CheckpointFault[]> {
  const partitions = await segments.folders.partitions()
  const faults = await Promise.all(partitions.map((partition) => faultsOf(segments, partition)))
  return faults.flat()
}

/** A checkpoint can be replaced, and manifests removed, while they are compared. */
async function faultsOf(segments: CheckpointedSegments, partition: number): Promise<readonly CheckpointFault[]> {
  const { checkpoints } = segments.folders
  for (let times = 1; ; times++) {
    const newest = await checkpoints.newest(partition)
    if (newest === null) return []
    const { name, found } = newest
    const problems = found instanceof LakeError ? [found.message] : differences(found, await segments.readable())
    const isLast = times === COMPARED_TIMES || (await checkpoints.newest(partition))?.name === name
    if (problems.length === 0 || isLast) return problems.map((problem) => ({ name, partition, problem }))
  }
}

function differences(checkpoint: SegmentCheckpoint, { manifests, damaged }: LoadedManifests): readonly string[] {
  return checkpoint.segments.flatMap((segment) => {
    const name = segmentManifestName(segment)
    const manifest = manifests.get(name)
    if (damaged.has(name) || (manifest !== undefined && isDeepStrictEqual(manifest, segment))) return []
    return manifest === undefined
      ? [`it has the segment '${name}', whose manifest is missing`]
      : [`it has the segment '${name}' other than its manifest`]
  })
}

function namesIn(found: SegmentCheckpoint | LakeError | undefined): ReadonlySet<string> {
  if (found === undefined || found instanceof LakeError) return new Set()
  return new Set(found.segments.map(segmentManifestName))
}
