/** The files that segments name, and which of them are no longer needed. Shared by all drivers of the lake. */
import type { Offset } from '#core/offsets.ts'
import type { ClosingSegment, LakeFile, SegmentManifest } from './segment-manifest.ts'

/** All files that a segment's manifest names. */
export function segmentFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return [...rawFiles(manifest), ...partialFiles(manifest)]
}

/** A file in the lake's storage: that of a LakeFile, or one that has several. */
export type StoredFile = Pick<LakeFile, 'path' | 'bytes'>

/** The files that hold these, each once. */
export function storedFiles(files: Iterable<LakeFile>): readonly StoredFile[] {
  const stored = new Map<string, StoredFile>()
  for (const file of files) {
    const { path, bytes } = file.within ?? file
    stored.set(path, { path, bytes })
  }
  return [...stored.values()]
}

export interface NeedlessFiles {
  /** manifests that a compacted segment replaces */
  readonly manifests: readonly string[]
  /** files of the replaced segments, and partials of all other segments that every kept generation has counted, except summaries */
  readonly files: readonly StoredFile[]
}

const NONE: ReadonlySet<string> = new Set()

/**
 * What can be removed once every kept generation has counted up to `boundary`: manifests and files that were replaced before
 * `olderThanMs`, and partials of segments closed before it. Raw events are kept, as they are or compacted, unless a summary replaces them;
 * the states of a summary are kept. So is a segment whose events are `inUse`, by path. A file that segments share is needless when the
 * partials of all of them are: of one that was never committed, when another one from its start on was counted.
 */
export function needlessSegmentFiles(
  manifests: ReadonlyMap<string, SegmentManifest>,
  boundary: readonly Offset[],
  olderThanMs: number,
  inUse: ReadonlySet<string> = NONE,
): NeedlessFiles {
  const counted = (manifest: SegmentManifest): boolean => manifest.end <= (boundary[manifest.partition] ?? 0)
  const compacted = [...manifests.values()].filter(
    (manifest) => manifest.replaces && counted(manifest) && manifest.createdAtMs < olderThanMs,
  )
  const wideIn = Map.groupBy(compacted, ({ partition }) => partition)
  const gone: string[] = []
  const files: LakeFile[] = []
  const isOver = ({ partition, start, createdAtMs }: ClosingSegment): boolean =>
    start < (boundary[partition] ?? 0) && createdAtMs < olderThanMs
  const partials = (manifest: SegmentManifest): readonly LakeFile[] =>
    manifest.together?.every(isOver) === false
      ? partialFiles(manifest).filter(({ within }) => within === undefined)
      : partialFiles(manifest)
  for (const [name, manifest] of manifests) {
    if (manifest.events !== null && inUse.has(manifest.events.path)) continue
    if (wideIn.get(manifest.partition)?.some((wide) => replaces(wide, manifest))) {
      gone.push(name)
      files.push(...rawFiles(manifest), ...partials(manifest))
    } else if (manifest.kind !== 'summary' && counted(manifest) && manifest.createdAtMs < olderThanMs)
      files.push(...partials(manifest))
  }
  return { manifests: gone.sort(), files: storedFiles(files) }
}

/** What is needless, but was not before. */
export function without(needless: NeedlessFiles, before: NeedlessFiles | null): NeedlessFiles {
  if (before === null) return needless
  const [manifests, paths] = [new Set(before.manifests), new Set(before.files.map(({ path }) => path))]
  return {
    manifests: needless.manifests.filter((name) => !manifests.has(name)),
    files: needless.files.filter(({ path }) => !paths.has(path)),
  }
}

/** By range, not by name: also leftovers of an interrupted removal, and segments committed by a former owner of the partition. */
function replaces(wide: SegmentManifest, segment: SegmentManifest): boolean {
  if (wide === segment || wide.partition !== segment.partition) return false
  const inside = wide.start <= segment.start && segment.start < wide.end
  if (!inside || segment.replaces === undefined) return inside
  const wider = wide.end - wide.start - (segment.end - segment.start)
  return wider > 0 || (wider === 0 && wide.kind === 'summary' && segment.kind !== 'summary')
}

/** The files without which a segment cannot be read once every generation has counted it: its raw events, or the states of a summary. */
export function lastingFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return manifest.kind === 'summary' ? partialFiles(manifest) : rawFiles(manifest)
}

/** Events, typed and as JSON, and dead letters. */
export function rawFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return [manifest.events, manifest.raw?.file ?? null, manifest.deadLetterFile].filter((file) => file !== null)
}

function partialFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return Object.values(manifest.partials).map((partial) => partial.file)
}
