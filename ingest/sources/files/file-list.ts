/** The files that paths, folders and patterns name. */
import { glob, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'

/** of one source */
export const FILES_MAX = 2_000
const MAGIC = /[*?[\]{}!()]/

/** More files than a source keeps in mind. */
export class TooManyFilesError extends Error {
  constructor(paths: readonly string[]) {
    super(
      `${paths.join(', ')}: there are more than ${FILES_MAX} files; name fewer of them, or move away those that were read`,
    )
    this.name = 'TooManyFilesError'
  }
}

/**
 * Absolute paths of regular files, each once, in the order of their names. A folder stands for the files in it, without hidden ones; a name that
 * exists is no pattern.
 * @throws TooManyFilesError
 */
export async function listFiles(paths: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const path of paths) {
    for await (const name of glob(await patternOf(path))) {
      const file = resolve(name)
      if ((await stat(file).catch(() => null))?.isFile()) found.add(file)
      if (found.size > FILES_MAX) throw new TooManyFilesError(paths)
    }
  }
  return [...found].sort()
}

/** Whether it is not the name of one file: a folder, or a pattern. */
export async function namesSeveral(path: string): Promise<boolean> {
  const entry = await stat(path).catch(() => null)
  return entry === null ? MAGIC.test(path) : entry.isDirectory()
}

/** The folder in which all files of a path are, and how many levels below it; for watching. */
export async function watchedFolder(
  path: string,
): Promise<{ readonly folder: string; readonly depth: number | undefined }> {
  const entry = await stat(path).catch(() => null)
  if (entry?.isDirectory()) return { folder: resolve(path), depth: 0 }
  const parts = resolve(path).split(sep)
  const first = entry === null ? parts.findIndex((part) => MAGIC.test(part)) : -1
  if (first === -1) return { folder: dirname(resolve(path)), depth: 0 }
  const depth = parts.slice(first).includes('**') ? undefined : parts.length - first - 1
  return { folder: parts.slice(0, first).join(sep) || sep, depth }
}

async function patternOf(path: string): Promise<string> {
  const entry = await stat(path).catch(() => null)
  if (entry === null) return path
  return entry.isDirectory() ? join(escaped(path), '[!.]*') : escaped(path)
}

function escaped(path: string): string {
  return path.replace(/[*?[\]{}!()]/g, '[$&]')
}
