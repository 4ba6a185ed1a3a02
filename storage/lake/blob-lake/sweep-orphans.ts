/** Removes orphans of crashes: files that no manifest names. Only names that the lake itself generates are touched. */
import { isSharedFile } from '../manifest-names.ts'
import { segmentFiles, storedFiles } from '../segment-files.ts'
import { type BlobGenerations, placeOf } from './blob-generations.ts'
import type { BlobHandoffs } from './blob-handoffs.ts'
import type { BlobSegments } from './blob-segments.ts'
import type { Blobs } from './blobs.ts'
import { forgetRemovalMark } from './removal-mark.ts'

const SEGMENT_FILE = /^segments\/p\d{4}\/(tmp_)?\d{16}-[a-z0-9_-]+-[0-9a-f]{12}\.(parquet|ndjson\.zst)(\.inprogress)?$/

export interface SweptParts {
  readonly generations: BlobGenerations
  readonly handoffs: BlobHandoffs
}

/**
 * Files are listed before the manifests are read, so that a file committed in between counts as referenced. A removal that a crash interrupted has
 * left manifests whose files are no orphans: the next removal looks for them.
 *
 * @param segments null: orphans of segments, and files that were handed over, are left to another time
 * @returns bytes freed
 */
export async function sweepOrphans(
  blobs: Blobs,
  segments: BlobSegments | null,
  { generations, handoffs }: SweptParts,
  untouchedMs: number,
): Promise<number> {
  const olderThanMs = (await blobs.nowMs()) - untouchedMs
  const removeIfOld = async (path: string): Promise<number> => {
    const found = await blobs.stat(path)
    return found !== null && found.modifiedMs < olderThanMs && (await blobs.remove(path)) ? found.bytes : 0
  }
  const orphans = segments === null ? [] : [...(await orphansOf(segments)), ...(await handoffs.all())]
  const unnamed = await generations.unnamedContents()
  let freed = await blobs.sweepDrafts(untouchedMs)
  for (const path of [...orphans, ...unnamed]) freed += await removeIfOld(path)
  for (const id of await unpublished(generations)) {
    const place = placeOf(id)
    for (const name of await blobs.names(place)) freed += await removeIfOld(`${place}/${name}`)
    if ((await blobs.names(place)).length === 0) await generations.clear(id)
  }
  if (segments !== null) await forgetRemovalMark(blobs)
  return freed
}

async function orphansOf(segments: BlobSegments): Promise<string[]> {
  const present = [...(await segments.present())].filter((path) => SEGMENT_FILE.test(path) || isSharedFile(path))
  const manifests = await segments.all()
  const named = new Set(storedFiles([...manifests.values()].flatMap(segmentFiles)).map(({ path }) => path))
  const orphans: string[] = []
  for (const path of present) if (!named.has(path) && !(await segments.isNamed(path))) orphans.push(path)
  return orphans
}

async function unpublished(generations: BlobGenerations): Promise<string[]> {
  const published = new Set(await generations.publishedIds())
  return (await generations.ids()).filter((id) => !published.has(id))
}
