/** Durable writes: after a crash at any point a file is complete under its final name, or does not exist. */
import { createHash, randomBytes } from 'node:crypto'
import { constants, copyFile, link, mkdir, open, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { explainFault, isMissing, LakeError } from '../lake-error.ts'

/** Suffix of unfinished files: readers ignore them, and the sweep removes old ones. */
export const UNFINISHED = '.inprogress'

const READ_CHUNK_BYTES = 1024 * 1024

export function randomName(): string {
  return randomBytes(6).toString('hex')
}

/** Makes a folder's directory entries durable. */
export async function fsyncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Creates a folder and its parents, durably. (Node's recursive mkdir reports ENOENT on a read-only file system.) */
export async function makeFolder(folder: string): Promise<void> {
  try {
    if (await tryMakeFolder(folder)) return
    await makeFolder(dirname(folder))
    await mkdir(folder, { recursive: true })
    await fsyncFolder(dirname(folder))
  } catch (error) {
    throw explainFault(error, 'cannot create the folder', folder)
  }
}

/** false: the parent folder is missing */
async function tryMakeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder)
  } catch (error) {
    if (isMissing(error)) return false
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return true
    throw error
  }
  await fsyncFolder(dirname(folder))
  return true
}

/** Size and SHA-256 of a file; with `sync`, after making its content durable. @param expected about how many bytes it has, where that is known */
export async function fingerprint(
  path: string,
  sync = false,
  expected = READ_CHUNK_BYTES,
): Promise<{ bytes: number; sha256: string }> {
  const handle = await open(path, sync ? 'r+' : 'r')
  try {
    if (sync) await handle.sync()
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(Math.min(READ_CHUNK_BYTES, expected + 1))
    let bytes = 0
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, null)
      if (bytesRead === 0) return { bytes, sha256: hash.digest('hex') }
      hash.update(chunk.subarray(0, bytesRead))
      bytes += bytesRead
    }
  } finally {
    await handle.close()
  }
}

/** Gives a complete, durable file its final name. @throws EEXIST if the name is taken: nothing is ever overwritten */
export async function linkFinal(from: string, to: string): Promise<void> {
  await link(from, to)
  await unlink(from)
  await fsyncFolder(dirname(to))
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/**
 * Gives a complete, durable file another name, durably; without hard links in the file system, the name gets a copy.
 * @throws LakeError if the file is missing, or the folder cannot be written
 */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (!NO_LINKS.has(error.code ?? '')) throw error
      await copyFile(from, to, constants.COPYFILE_EXCL)
      await fingerprint(to, true)
    })
    await fsyncFolder(dirname(to))
  } catch (error) {
    if (isMissing(error))
      throw new LakeError('file-missing', `lake: '${from}' is named in a manifest, but does not exist`, {
        cause: error,
      })
    throw explainFault(error, 'cannot link', to)
  }
}

/**
 * Creates a file exclusively and durably: of several concurrent callers only one gets `true`.
 * @param draftsIn folder of the draft, on the same file system; its modification time changes before and after the name exists
 * @throws LakeError if the disk is full or the folder cannot be written
 */
export async function createExclusive(path: string, text: string, draftsIn = dirname(path)): Promise<boolean> {
  const staged = await writeStaged(path, text, draftsIn)
  try {
    await link(staged, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw explainFault(error, 'cannot create', path)
  } finally {
    await rm(staged, { force: true }).catch(() => {})
  }
  await fsyncFolder(dirname(path))
  return true
}

/** Replaces a small file with one rename, durably if nothing else is said. `before` and `after` run around the rename; `draftsIn` as in createExclusive. */
export async function replaceAtomically(
  path: string,
  text: string,
  around: { before(): void | Promise<void>; after(): void | Promise<void> },
  {
    draftsIn = dirname(path),
    durable = true,
  }: { readonly draftsIn?: string | undefined; readonly durable?: boolean } = {},
): Promise<void> {
  const staged = await writeStaged(path, text, draftsIn, durable)
  try {
    await around.before()
    await rename(staged, path)
  } catch (error) {
    await rm(staged, { force: true }).catch(() => {})
    throw explainFault(error, 'cannot replace', path)
  }
  if (durable) await fsyncFolder(dirname(path))
  await around.after()
}

async function writeStaged(path: string, text: string, folder: string, durable = true): Promise<string> {
  const staged = join(folder, `.${basename(path)}-${randomName()}${UNFINISHED}`)
  try {
    const handle = await open(staged, 'wx')
    try {
      await handle.writeFile(text)
      if (durable) await handle.sync()
    } finally {
      await handle.close()
    }
    return staged
  } catch (error) {
    await rm(staged, { force: true }).catch(() => {})
    throw explainFault(error, 'cannot write', staged)
  }
}

/** Now, by the clock that dates the files of this folder. */
export async function fileSystemNowMs(folder: string): Promise<number> {
  const probe = join(folder, `.now-${randomName()}${UNFINISHED}`)
  try {
    await writeFile(probe, '')
    return (await stat(probe)).mtimeMs
  } catch (error) {
    throw explainFault(error, 'cannot write', probe)
  } finally {
    await removeFile(probe)
  }
}

/** Removes a file if it exists. Returns whether it existed. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw explainFault(error, 'cannot remove', path)
  }
}

/** The error for a staged file that its writer never wrote. */
export function neverWritten(path: string, cause: unknown): LakeError {
  return new LakeError('file-missing', `lake: the staged file '${path}' was not written before it was finished`, {
    cause,
  })
}
