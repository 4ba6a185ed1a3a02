/** Removes orphans of crashes: files that no manifest names. Only names that the lake itself generates are touched. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../lake-error.ts'
import { segmentFiles } from '../segment-files.ts'
import { fileSystemNowMs, removeFile, UNFINISHED } from './durable-files.ts'
import type { LocalGenerations } from './local-generations.ts'
import type { LocalSegments } from './local-segments.ts'

const SEGMENT_FILE = /^segments\/p\d{4}\/(tmp_)?\d{16}-[a-z0-9_-]+-[0-9a-f]{12}\.(parquet|ndjson\.zst)(\.inprogress)?$/

/** @returns bytes freed. Files are listed before the manifests are read, so that a file committed in between counts as referenced. */
export async function sweepLocalOrphans(
  folder: string,
  segments: LocalSegments,
  generations: LocalGenerations,
  untouchedMs: number,
): Promise<number> {
  const olderThanMs = (await fileSystemNowMs(folder)) - untouchedMs
  const present = [...(await segments.present())].filter((path) => SEGMENT_FILE.test(path))
  const manifests = await segments.all()
  const named = new Set([...manifests.values()].flatMap(segmentFiles).map((file) => file.path))
  const orphans = present.filter((path) => !named.has(path))
  const unnamed = await generations.unnamedContents()
  const drafts = [...(await unfinished(folder, '.')), ...(await unfinished(folder, 'manifests'))]
  let freed = 0
  for (const path of [...orphans, ...unnamed, ...drafts]) freed += await removeIfOld(join(folder, path), olderThanMs)
  for (const id of await unpublished(generations)) {
    const place = join(folder, 'generations', id)
    const names = await readdir(place)
    const sizes = await Promise.all(names.map((name) => removeIfOld(join(place, name), olderThanMs)))
    freed += sizes.reduce((sum, size) => sum + size, 0)
    if ((await readdir(place)).length === 0) await generations.clear(id)
  }
  return freed
}

async function unfinished(folder: string, below: string): Promise<string[]> {
  try {
    const names = await readdir(join(folder, below))
    return names.filter((name) => name.startsWith('.') && name.endsWith(UNFINISHED)).map((name) => join(below, name))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

async function unpublished(generations: LocalGenerations): Promise<string[]> {
  const published = new Set(await generations.publishedIds())
  return (await generations.ids()).filter((id) => !published.has(id))
}

async function removeIfOld(path: string, olderThanMs: number): Promise<number> {
  try {
    const { mtimeMs, size } = await stat(path)
    return mtimeMs < olderThanMs && (await removeFile(path)) ? size : 0
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}
