/** Writing so that a crash at any point leaves a file whole under its final name, or not there at all. */
import { createHash, randomBytes } from 'node:crypto'
import { constants, copyFile, link, mkdir, open, rename, rm, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { explainFault, isMissing, LakeError } from '../lake-error.ts'

/** Names that end so are unfinished: readers ignore them, the sweep removes them when they are old. */
export const UNFINISHED = '.inprogress'

const READ_CHUNK_BYTES = 1024 * 1024

export function randomName(): string {
  return randomBytes(6).toString('hex')
}

/** Makes the names in a folder durable. */
export async function fsyncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder and those above it, durably. (Node's recursive mkdir says ENOENT on a read-only file system.) */
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

/** false: the folder above it is missing */
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

/** Bytes and SHA-256 of a file; with `sync`, after making its content durable. */
export async function fingerprint(path: string, sync = false): Promise<{ bytes: number; sha256: string }> {
  const handle = await open(path, sync ? 'r+' : 'r')
  try {
    if (sync) await handle.sync()
    const hash = createHash('sha256')
    const chunk = Buffer.allocUnsafe(READ_CHUNK_BYTES)
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

/** Gives a whole, durable file its final name. @throws when the name is taken (EEXIST): nothing is ever overwritten */
export async function linkFinal(from: string, to: string): Promise<void> {
  await link(from, to)
  await unlink(from)
  await fsyncFolder(dirname(to))
}

const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV'])

/**
 * Gives a whole, durable file one more name, durably; where the folder can not have hard links, the name gets a copy.
 * @throws LakeError when the file is missing, or the folder can not be written
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
 * Creates a file exclusively and durably: of many who try, one gets `true`. `linked` runs after the name exists.
 * @throws LakeError for a full disk or a folder that can not be written
 */
export async function createExclusive(path: string, text: string): Promise<boolean> {
  const staged = await writeStaged(path, text)
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

/** Replaces a small file by one rename, durably. `before` and `after` run around the rename. */
export async function replaceAtomically(
  path: string,
  text: string,
  around: { before(): void | Promise<void>; after(): void | Promise<void> },
): Promise<void> {
  const staged = await writeStaged(path, text)
  try {
    await around.before()
    await rename(staged, path)
  } catch (error) {
    await rm(staged, { force: true }).catch(() => {})
    throw explainFault(error, 'cannot replace', path)
  }
  await fsyncFolder(dirname(path))
  await around.after()
}

async function writeStaged(path: string, text: string): Promise<string> {
  const staged = join(dirname(path), `.${basename(path)}-${randomName()}${UNFINISHED}`)
  try {
    const handle = await open(staged, 'wx')
    try {
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    return staged
  } catch (error) {
    await rm(staged, { force: true }).catch(() => {})
    throw explainFault(error, 'cannot write', staged)
  }
}

/** Removes a file; one that is gone already is fine. Returns whether it was there. */
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
