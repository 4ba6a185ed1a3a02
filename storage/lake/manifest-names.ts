/** The names of files in a lake. A segment manifest's name holds partition and start, so that one start commits once. */
import type { Offset } from '#core/offsets.ts'
import type { SegmentManifest } from './segment-manifest.ts'

const SEGMENT = /^p(\d{4})-(\d{16})(?:-(\d{16})\.[cs])?\.json$/
const GENERATION = /^g\d{6,}$/

export interface SegmentName {
  readonly name: string
  readonly partition: number
  readonly start: Offset
  /** only in the names of compacted segments and summaries */
  readonly end: Offset | null
}

export function partitionName(partition: number): string {
  return `p${String(partition).padStart(4, '0')}`
}

export function offsetName(offset: Offset): string {
  return String(offset).padStart(16, '0')
}

/** p0000-0000000000000000.json; of a compacted segment p0000-0000000000000000-0000000000000100.c.json, of a summary with .s.json */
export function segmentManifestName(
  manifest: Pick<SegmentManifest, 'kind' | 'partition' | 'start' | 'end' | 'replaces'>,
): string {
  const place = `${partitionName(manifest.partition)}-${offsetName(manifest.start)}`
  if (manifest.replaces === undefined) return `${place}.json`
  return `${place}-${offsetName(manifest.end)}.${manifest.kind === 'summary' ? 's' : 'c'}.json`
}

/** The parts of a segment manifest's name; null for any other file name. */
export function parseSegmentName(name: string): SegmentName | null {
  const match = SEGMENT.exec(name)
  if (!match || !Number.isSafeInteger(Number(match[2]))) return null
  return {
    name,
    partition: Number(match[1]),
    start: Number(match[2]),
    end: match[3] === undefined ? null : Number(match[3]),
  }
}

/** The folder of a partition's compacted segments and summaries, below the folder of the partition's manifests. */
export const WIDE = 'compacted'

/** A folder has the segments that start within so many offsets: the last digits of an offset's name. */
const RANGE_DIGITS = 6

/** The folder of the segments that start near an offset, below the folder of the partition's manifests: the first digits of the offset's name. */
export function rangeName(start: Offset): string {
  return offsetName(start).slice(0, -RANGE_DIGITS)
}

export function isRangeName(text: string): boolean {
  return /^\d{10}$/.test(text)
}

/** @returns null for a name that is not one of a partition's folder */
export function parsePartitionName(text: string): number | null {
  const match = /^p(\d{4})$/.exec(text)
  return match && Number(match[1])
}

/**
 * Where the manifest of a segment is, relative to the dataset's folder.
 *
 * @example
 * manifestPath('p0003-0000000012345678.json')
 * // 'manifests/p0003/0000000012/p0003-0000000012345678.json'
 * manifestPath('p0003-0000000000000000-0000000000000100.c.json')
 * // 'manifests/p0003/compacted/p0003-0000000000000000-0000000000000100.c.json'
 * @throws RangeError if it is not the name of a segment's manifest
 */
export function manifestPath(name: string): string {
  const parsed = parseSegmentName(name)
  if (parsed === null) throw new RangeError(`lake: '${name}' is not the name of a segment's manifest`)
  const { partition, start, end } = parsed
  return `manifests/${partitionName(partition)}/${end === null ? rangeName(start) : WIDE}/${name}`
}

/** g000001 for 1 */
export function generationId(number: number): string {
  return `g${String(number).padStart(6, '0')}`
}

export function isGenerationId(text: string): boolean {
  return GENERATION.test(text)
}

export function generationNumber(id: string): number {
  return Number(id.slice(1))
}

/** The widest compacted segment or summary that covers `start`, by its manifest's name; null when none does. */
export function coveringName(names: Iterable<string>, partition: number, start: Offset): string | null {
  let widest: SegmentName | null = null
  for (const name of names) {
    const parsed = parseSegmentName(name)
    if (parsed?.end == null || parsed.partition !== partition || parsed.start > start || parsed.end <= start) continue
    const wider = widest === null ? 1 : parsed.end - parsed.start - (widest.end! - widest.start)
    if (wider > 0 || (wider === 0 && name.endsWith('.s.json'))) widest = parsed
  }
  return widest?.name ?? null
}

/** The end of a segment file's name. */
export function segmentFileEnding(kind: string): string {
  return kind === 'raw' ? 'ndjson.zst' : 'parquet'
}

const SEGMENT_FILE = /^segments\/p(\d{4})\/(\d{16})-([a-z0-9][a-z0-9_-]*)-[0-9a-f]{12}\.(?:parquet|ndjson\.zst)$/

/** The parts of the path of a segment's complete file, relative to the dataset's folder; null for any other path. */
export function parseSegmentFile(path: string): { partition: number; start: Offset; kind: string } | null {
  const match = SEGMENT_FILE.exec(path)
  return match && { partition: Number(match[1]), start: Number(match[2]), kind: match[3]! }
}

const SHARED_FILE = /^segments\/shared\/(p\d{4}-\d{16})-[0-9a-f]{12}\.parts$/

/**
 * The path of a file with partials of several segments, relative to the dataset's folder. It is called by one of them.
 */
export function sharedFilePath({ partition, start }: { partition: number; start: Offset }, unique: string): string {
  return `segments/shared/${partitionName(partition)}-${offsetName(start)}-${unique}.parts`
}

export function isSharedFile(path: string): boolean {
  return SHARED_FILE.test(path)
}

/** The manifest's name of the segment by which a file is called: that which it belongs to, or the first of those that share it; null for any other path. */
export function manifestOfFile(path: string): string | null {
  const parsed = parseSegmentFile(path)
  if (parsed !== null) return `${partitionName(parsed.partition)}-${offsetName(parsed.start)}.json`
  const shared = SHARED_FILE.exec(path)
  return shared && `${shared[1]}.json`
}
