/** Which files segments name, and which of them nothing needs any more. Shared by all drivers of the lake. */
import type { Offset } from '#core/offsets.ts'
import type { LakeFile, SegmentManifest } from './segment-manifest.ts'

/** All files that a segment's manifest names. */
export function segmentFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return [...rawFiles(manifest), ...partialFiles(manifest)]
}

export interface NeedlessFiles {
  /** manifests that a compacted segment replaces */
  readonly manifests: readonly string[]
  /** raw files of those, and partials of all segments that every kept generation has counted */
  readonly files: readonly LakeFile[]
}

/**
 * What may go once every generation that is kept has counted up to `boundary`: manifests and files that were replaced before
 * `olderThanMs`, and partials of segments closed before it. Raw events always stay, as they are or compacted.
 */
export function needlessSegmentFiles(
  manifests: ReadonlyMap<string, SegmentManifest>,
  boundary: readonly Offset[],
  olderThanMs: number,
): NeedlessFiles {
  const counted = (manifest: SegmentManifest): boolean => manifest.end <= (boundary[manifest.partition] ?? 0)
  const replaced = new Set(
    [...manifests.values()]
      .filter((manifest) => counted(manifest) && manifest.createdAtMs < olderThanMs)
      .flatMap((manifest) => manifest.replaces ?? []),
  )
  const gone: string[] = []
  const files: LakeFile[] = []
  for (const [name, manifest] of manifests) {
    if (replaced.has(name)) {
      gone.push(name)
      files.push(...segmentFiles(manifest))
    } else if (counted(manifest) && manifest.createdAtMs < olderThanMs) files.push(...partialFiles(manifest))
  }
  return { manifests: gone.sort(), files }
}

/** Typed events and dead letters: what is kept for ever. */
export function rawFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return [manifest.events, manifest.deadLetterFile].filter((file) => file !== null)
}

function partialFiles(manifest: SegmentManifest): readonly LakeFile[] {
  return Object.values(manifest.partials).map((partial) => partial.file)
}
