/**
 * The first segments of a partition's chain, so that readers need not open the manifest of each. A checkpoint itself is short: it names
 * files with the segments, its parts, and says of each what readers need most. Only who needs the segments opens them.
 * Invariant: it says what the manifests say. They stay, and a checkpoint that cannot be read, or lacks a manifest, counts for nothing.
 */
import { z } from 'zod'
import type { Offset } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'
import { coveringName, offsetName, parseSegmentName, partitionName, segmentManifestName } from './manifest-names.ts'
import { damaged, lastSchema, sealed, segmentSchema, unsealed } from './manifest-text.ts'
import type { SegmentManifest } from './segment-manifest.ts'
import { outlineOf, type SegmentsOutline } from './segment-outline.ts'

export interface SegmentCheckpoint {
  /** of earlier versions are 1, which has the segments themselves, its only part, and 2, whose parts have no outline */
  readonly format: 1 | 2 | 3
  readonly dataset: string
  readonly partition: number
  /** exclusive: the segments are contiguous from offset 0 up to here */
  readonly end: Offset
  /** in order; at least one */
  readonly parts: readonly CheckpointPart[]
}

/** What a checkpoint says of the segments in one of its parts. */
export interface CheckpointPart {
  /** of its file, beside the checkpoint's */
  readonly file: string
  /** half-open; the next part starts where it ends */
  readonly start: Offset
  readonly end: Offset
  /** how many it has */
  readonly segments: number
  /** to which log all of them belong; null: to several */
  readonly log: string | null
  /** name of the last one's manifest */
  readonly newest: string
  /** when the last one closed, and the latest time at which one of them closed or was compacted, epoch ms */
  readonly closedAtMs: number
  readonly createdMaxMs: number
  /** names of the manifests of those that are compacted, or summaries */
  readonly compacted: readonly string[]
  /** the last record that is known of them; absent: of none */
  readonly last?: RecordPrint
  /** absent in format 2 */
  readonly outline?: SegmentsOutline
}

/** A checkpoint that does not say what the manifests say, or is missing. */
export interface CheckpointFault {
  /** null: there is none, and the next batch run writes one */
  readonly name: string | null
  readonly partition: number
  readonly problem: string
}

/** Where checkpoints and their parts belong. */
interface Place {
  readonly dataset: string
  readonly partition: number
}

const REMEDY = 'Answers do not need it. `watershed doctor --repair` writes it again from the manifests'
const FORMATS = [1, 2, 3]

const count = z.int().min(0)
const place = { dataset: z.string().min(1), partition: count }
const span = z.strictObject({ minMs: z.int(), maxMs: z.int() }).nullable()
const outline: z.ZodType<SegmentsOutline> = z.strictObject({
  ...{ rows: count, times: span, placed: span, schemaHash: z.string().nullable() },
})
const earlierPart = z.strictObject({
  ...{ file: z.string().min(1), start: count, end: z.int().min(1), segments: z.int().min(1) },
  ...{ log: z.string().min(1).nullable(), newest: z.string().refine((name) => parseSegmentName(name) !== null) },
  ...{ closedAtMs: count, createdMaxMs: count, compacted: z.array(z.string()), last: lastSchema.optional() },
})
const ends = { ...place, end: z.int().min(1) }
const checkpoint: z.ZodType<SegmentCheckpoint> = z.discriminatedUnion('format', [
  z.strictObject({ format: z.literal(2), ...ends, parts: z.array(earlierPart).min(1) }),
  z.strictObject({ format: z.literal(3), ...ends, parts: z.array(earlierPart.extend({ outline })).min(1) }),
])
const segments = z.array(segmentSchema).min(1)
const earlier = z.strictObject({ format: z.literal(1), ...place, end: z.int().min(1), segments })
const partFile = z.strictObject({ format: z.literal(1), ...place, start: count, end: z.int().min(1), segments })

export function checkpointText({ dataset, partition }: Place, parts: readonly CheckpointPart[]): string {
  const one: SegmentCheckpoint = { format: 3, dataset, partition, end: parts.at(-1)!.end, parts }
  return `${JSON.stringify(sealed(one))}\n`
}

/** A part's text, and what the checkpoint says of it. @param segments contiguous, at least one */
export function writtenPart(
  { dataset, partition }: Place,
  segments: readonly SegmentManifest[],
): { readonly text: string; readonly part: CheckpointPart } {
  const [{ start }, { end }] = [segments[0]!, segments.at(-1)!]
  const content = sealed({ format: 1, dataset, partition, start, end, segments })
  return {
    text: `${JSON.stringify(content)}\n`,
    part: describePart(partName(partition, start, end, content.checksum), segments),
  }
}

function describePart(file: string, segments: readonly SegmentManifest[]): CheckpointPart {
  const [first, newest] = [segments[0]!, segments.at(-1)!]
  const last = segments.findLast((segment) => segment.last !== undefined)?.last
  return {
    ...{ file, start: first.start, end: newest.end, segments: segments.length },
    log: segments.every(({ log }) => log === first.log) ? first.log : null,
    ...{ newest: segmentManifestName(newest), closedAtMs: newest.createdAtMs },
    createdMaxMs: segments.reduce((latest, { createdAtMs }) => Math.max(latest, createdAtMs), 0),
    compacted: segments.filter(({ replaces }) => replaces !== undefined).map(segmentManifestName),
    ...(last && { last }),
    outline: outlineOf(segments),
  }
}

/**
 * @param name of its file; `where` is what messages call it
 * @returns with the segments where the text has them itself
 * @throws LakeError that names the file and what is wrong
 */
export function readCheckpoint(
  text: string,
  { name, where, dataset, partition }: Place & { readonly name: string; readonly where: string },
): { readonly found: SegmentCheckpoint; readonly segments?: readonly SegmentManifest[] } {
  const content = unsealed(text, where, FORMATS, REMEDY) as { readonly format?: unknown }
  if (content.format === 1) {
    const { segments, end } = parsed(earlier, content, where, { dataset, partition })
    assertContiguous(segments, { start: 0, end }, where, { dataset, partition })
    return { found: { format: 1, dataset, partition, end, parts: [describePart(name, segments)] }, segments }
  }
  const found = parsed(checkpoint, content, where, { dataset, partition })
  let end = 0
  for (const each of found.parts) {
    if (each.start !== end || each.end <= end)
      throw unusable(where, `its part '${each.file}' does not continue the chain at offset ${end}`)
    end = each.end
  }
  if (end !== found.end) throw unusable(where, `its parts end at offset ${end}, but it says ${found.end}`)
  return { found }
}

/** @throws LakeError that names the file and what is wrong, also where it is not the part that a checkpoint names */
export function readPart(
  text: string,
  { file, start, end, segments: number }: CheckpointPart,
  { where, dataset, partition }: Place & { readonly where: string },
): readonly SegmentManifest[] {
  const { segments } = parsed(partFile, unsealed(text, where, [1], REMEDY), where, { dataset, partition })
  assertContiguous(segments, { start, end }, where, { dataset, partition })
  const checksum = /"([0-9a-f]{64})"\}\n$/.exec(text)?.[1] ?? ''
  if (segments.length === number && partName(partition, start, end, checksum) === file) return segments
  throw unusable(where, 'it is not the part that the checkpoint names')
}

function parsed<Content extends Place>(schema: z.ZodType<Content>, value: unknown, where: string, own: Place): Content {
  const result = schema.safeParse(value)
  if (!result.success) throw unusable(where, result.error.issues[0]!.message)
  const { dataset, partition } = result.data
  if (dataset === own.dataset && partition === own.partition) return result.data
  throw unusable(where, `it belongs to partition ${partition} of '${dataset}'`)
}

function assertContiguous(
  segments: readonly SegmentManifest[],
  range: { readonly start: Offset; readonly end: Offset },
  where: string,
  { dataset, partition }: Place,
): void {
  let end = range.start
  for (const segment of segments) {
    if (segment.start !== end || segment.partition !== partition || segment.dataset !== dataset)
      throw unusable(where, `'${segmentManifestName(segment)}' does not continue the chain at offset ${end}`)
    end = segment.end
  }
  if (end !== range.end) throw unusable(where, `its segments end at offset ${end}, but it says ${range.end}`)
}

function unusable(where: string, what: string): Error {
  return damaged(where, what, { remedy: REMEDY })
}

const PART = /^p\d{4}-\d{16}-\d{16}-[0-9a-f]{16}\.segments$/

/** p0000-0000000000000000-0000000000250000-0123456789abcdef.segments: partition, start, end, and the beginning of its checksum */
function partName(partition: number, start: Offset, end: Offset, checksum: string): string {
  return `${partitionName(partition)}-${offsetName(start)}-${offsetName(end)}-${checksum.slice(0, 16)}.segments`
}

export function isPartName(name: string): boolean {
  return PART.test(name)
}

/** Names of the compacted segments and summaries that a checkpoint has. */
export function compactedIn({ parts }: Pick<SegmentCheckpoint, 'parts'>): readonly string[] {
  return parts.flatMap(({ compacted }) => compacted)
}

/** Of each checkpoint that was asked for one: there can be tens of thousands, and as many questions. */
const compactedSets = new WeakMap<SegmentCheckpoint, ReadonlySet<string>>()

/** Whether a checkpoint stands for the manifest of this name. */
export function hasManifest(checkpoint: SegmentCheckpoint, name: string): boolean {
  const parsed = parseSegmentName(name)
  if (parsed === null || parsed.partition !== checkpoint.partition) return false
  if (parsed.end === null) return parsed.start < checkpoint.end
  const compacted = compactedSets.get(checkpoint) ?? new Set(compactedIn(checkpoint))
  compactedSets.set(checkpoint, compacted)
  return compacted.has(name)
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
 * Whether a manifest that a checkpoint has is still there, or one that took its place: a lake that was restored from an older copy, or lost
 * manifests, must not be completed from a checkpoint silently. Asked of the last segment, and of the compacted ones.
 *
 * @param listed names of the partition's compacted segments, and of others
 */
export function isCovered({ partition }: SegmentCheckpoint, name: string, listed: ReadonlySet<string>): boolean {
  return listed.has(name) || coveringName(listed, partition, parseSegmentName(name)!.start) !== null
}
