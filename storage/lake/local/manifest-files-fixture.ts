/** Finds the manifests of segments in a lake's folder, for tests that damage or count them. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseSegmentName } from '../manifest-names.ts'

/** Absolute paths, ordered by name, wherever they lie. @param folder of the dataset */
export function manifestFiles(folder: string): string[] {
  const below = join(folder, 'manifests')
  const found = readdirSync(below, { recursive: true, encoding: 'utf8' })
  return found
    .filter((path) => parseSegmentName(basename(path)) !== null)
    .map((path) => join(below, path))
    .sort((a, b) => (basename(a) < basename(b) ? -1 : 1))
}
