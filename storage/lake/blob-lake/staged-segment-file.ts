/** A file on its way into the lake: written as a draft, made durable, and only then given its final name. */
import type { StagedFile } from '../lake.ts'
import { LakeError } from '../lake-error.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { Blobs, PartDraft } from './blobs.ts'

/** Files with their final name, but without a manifest yet: only these may still be discarded. */
export type Unnamed = Set<string>

/** @param path relative to the dataset's folder */
export function stageFile(blobs: Blobs, path: string, unnamed: Unnamed): StagedFile {
  const writePath = blobs.draftOf(path)
  return {
    writePath,
    async finish(rows: number): Promise<LakeFile> {
      const print = await blobs.finishDraft(writePath)
      const file = { path, bytes: print.bytes, rows, sha256: print.sha256 }
      await landFile(blobs, { draft: writePath, file }, unnamed)
      return file
    },
    async discard(): Promise<void> {
      await blobs.removeDraft(writePath)
      if (unnamed.delete(path)) await blobs.remove(path)
    },
  }
}

/** Stores a finished draft as a file of its own, which no manifest names yet. @throws LakeError 'already-committed' if its path is taken */
export async function landFile(blobs: Blobs, { draft, file }: PartDraft, unnamed: Unnamed): Promise<void> {
  if (!(await blobs.land(draft, file.path, file))) throw taken(blobs, file.path)
  unnamed.add(file.path)
}

export function taken(blobs: Blobs, path: string): LakeError {
  return new LakeError('already-committed', `lake: '${blobs.nameOf(path)}' exists already; nothing is ever overwritten`)
}
