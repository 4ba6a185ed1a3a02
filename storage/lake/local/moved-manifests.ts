/**
 * Moves manifests that an earlier version wrote side by side into the folders where they belong. At any point, and after a crash between
 * any two steps, a manifest has at least one durable name, and readers know both places: what is left is moved the next time.
 */
import { link, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { MANIFESTS } from '../blob-lake/checkpoint-files.ts'
import type { ManifestFolders } from '../blob-lake/manifest-folders.ts'
import { explainFault, isMissing } from '../lake-error.ts'
import { fsyncFolder, removeFile } from './durable-files.ts'
import type { FolderBlobs } from './folder-blobs.ts'

/** how many are linked before their earlier names are removed */
const MOVED_AT_ONCE = 500

/** Only for the holder of the batch lock: nobody else may remove manifests meanwhile. @returns how many were moved */
export async function moveManifests(blobs: FolderBlobs, folders: ManifestFolders): Promise<number> {
  const names = await folders.flatNames()
  let moved = 0
  for (let from = 0; from < names.length; from += MOVED_AT_ONCE) {
    moved += await moveSome(blobs, folders, names.slice(from, from + MOVED_AT_ONCE))
  }
  if (names.length > 0) await fsyncFolder(blobs.nameOf(MANIFESTS))
  if (moved > 0) folders.forget()
  return moved
}

async function moveSome(blobs: FolderBlobs, folders: ManifestFolders, names: readonly string[]): Promise<number> {
  const linked: string[] = []
  const places = new Set<string>()
  for (const name of names) {
    const [from, to] = [blobs.nameOf(`${MANIFESTS}/${name}`), blobs.nameOf(await folders.makeRoom(name))]
    if (!(await linkOnce(from, to))) continue
    linked.push(from)
    places.add(dirname(to))
  }
  for (const place of places) await fsyncFolder(place)
  for (const from of linked) await removeFile(from)
  return linked.length
}

/** @returns false if another file has the name: the one that was there first stays the one that counts */
async function linkOnce(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw explainFault(error, 'cannot link', to)
    const [mine, there] = await Promise.all([stat(from, { bigint: true }), stat(to, { bigint: true })])
    return mine.ino === there.ino && mine.dev === there.dev
  }
}
