/** A file on its way into the lake: written as *.inprogress, made durable, and only then linked to its final name. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { StagedFile } from '../lake.ts'
import { explainFault, isMissing } from '../lake-error.ts'
import type { LakeFile } from '../segment-manifest.ts'
import { fingerprint, linkFinal, neverWritten, removeFile, UNFINISHED } from './durable-files.ts'

/** Files with their final name, but without a manifest yet: only these may still be discarded. */
export type Unnamed = Set<string>

/** @param path relative to the dataset's folder */
export function stageFile(folder: string, path: string, unnamed: Unnamed): StagedFile {
  const finalPath = join(folder, path)
  const writePath = `${finalPath}${UNFINISHED}`
  return {
    writePath,
    async finish(rows: number): Promise<LakeFile> {
      const print = await fingerprint(writePath, true).catch((error: unknown) => {
        throw isMissing(error) ? neverWritten(writePath, error) : explainFault(error, 'cannot make durable', writePath)
      })
      try {
        await linkFinal(writePath, finalPath)
      } catch (error) {
        throw explainFault(error, 'cannot link to its final name', writePath)
      }
      unnamed.add(path)
      return { path, bytes: print.bytes, rows, sha256: print.sha256 }
    },
    async discard(): Promise<void> {
      await rm(writePath, { force: true })
      if (unnamed.delete(path)) await removeFile(finalPath)
    },
  }
}
