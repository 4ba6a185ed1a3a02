/** A file on its way into the lake: written as a draft, made durable, and only then given its final name. */
import type { StagedFile } from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { Blobs } from './blobs.ts'

/** Files with their final name, but without a manifest yet: only these may still be discarded. */
export type Unnamed = Set<string>

/** @param path relative to the dataset's folder */
export function stageFile(blobs: Blobs, path: string, unnamed: Unnamed): StagedFile {
  const writePath = blobs.draftOf(path)
  return {
    writePath,
    async finish(rows: number): Promise<LakeFile> {
      const print = await blobs.finishDraft(writePath)
      if (!(await blobs.land(writePath, path, print)))
        throw new LakeError(
          'already-committed',
          `lake: '${blobs.nameOf(path)}' exists already; nothing is ever overwritten`,
        )
      unnamed.add(path)
      return { path, bytes: print.bytes, rows, sha256: print.sha256 }
    },
    async discard(): Promise<void> {
      await blobs.removeDraft(writePath)
      if (unnamed.delete(path)) await blobs.remove(path)
    },
  }
}
