/**
 * The first segments of a partition's chain in one file, so that readers need not open the manifest of each.
 * Invariant: it says what the manifests say. They stay, and a checkpoint that cannot be read, or lacks a manifest, counts for nothing.
 */
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'
import { coveringName, offsetName, partitionName, segmentManifestName } from './manifest-names.ts'
import { damaged, sealed, segmentSchema, unsealed } from './manifest-text.ts'
import type { SegmentManifest } from './segment-manifest.ts'

export interface SegmentCheckpoint {
  readonly format: 1
  readonly dataset: string
  readonly partition: number
  /** exclusive: the segments are contiguous from offset 0 up to here */
  readonly end: Offset
  /** as their manifests have them */
  readonly segments: readonly SegmentManifest[]
}

/** A checkpoint that does not say what the manifests say. */
export interface CheckpointFault {
  readonly name: string
  readonly partition: number
  readonly problem: string
}

const REMEDY = 'Answers do not need it. `watershed doctor --repair` writes it again from the manifests'

const checkpoint: z.ZodType<SegmentCheckpoint> = z.strictObject({
  format: z.literal(1),
  dataset: z.string().min(1),
  partition: z.int().min(0),
  end: z.int().min(1),
  segments: z.array(segmentSchema).min(1),
})

export function checkpointText(one: SegmentCheckpoint): string {
  return `${JSON.stringify(sealed(one))}\n`
}

/** @throws LakeError that names the file and what is wrong */
export function readCheckpoint(text: string, where: string, dataset: string, partition: number): SegmentCheckpoint {
  const parsed = checkpoint.safeParse(unsealed(text, where, [1], REMEDY))
  const wrong = (what: string): Error => damaged(where, what, { remedy: REMEDY })
  if (!parsed.success) throw wrong(parsed.error.issues[0]!.message)
  const one = parsed.data
  if (one.dataset !== dataset || one.partition !== partition)
    throw wrong(`it belongs to partition ${one.partition} of '${one.dataset}'`)
  let end = 0
  for (const segment of one.segments) {
    if (segment.start !== end || segment.partition !== partition || segment.dataset !== dataset)
      throw wrong(`'${segmentManifestName(segment)}' does not continue the chain at offset ${end}`)
    end = segment.end
  }
  if (end !== one.end) throw wrong(`its segments end at offset ${end}, but it says ${one.end}`)
  return one
}

const NAME = /^p(\d{4})-(\d{16})-(\d{8})\.checkpoint$/

/** p0000-0000000000250000-00000012.checkpoint: partition, end, and a number that rises */
export function checkpointName(partition: number, end: Offset, number: number): string {
  return `${partitionName(partition)}-${offsetName(end)}-${String(number).padStart(8, '0')}.checkpoint`
}

/** The number of a checkpoint; null for any other file name. */
export function checkpointNumber(name: string): number | null {
  const match = NAME.exec(name)
  return match && Number(match[3])
}

/** The newest of the names; null if there is none. */
export function newestCheckpoint(names: readonly string[]): string | null {
  const numbered = names.filter((name) => checkpointNumber(name) !== null)
  return numbered.reduce<string | null>(
    (newest, name) => (newest === null || checkpointNumber(name)! > checkpointNumber(newest)! ? name : newest),
    null,
  )
}

/**
 * Whether a checkpoint still fits what was listed: a lake that was restored from an older copy, or lost manifests, must not be completed
 * from it silently. Looks at the last segment, and at the compacted ones.
 *
 * @param listed names of the partition's compacted segments, and of those near the checkpoint's end
 */
export function stands({ partition, segments }: SegmentCheckpoint, listed: ReadonlySet<string>): boolean {
  return segments.every((segment, index) => {
    if (segment.replaces === undefined && index < segments.length - 1) return true
    return listed.has(segmentManifestName(segment)) || coveringName(listed, partition, segment.start) !== null
  })
}
