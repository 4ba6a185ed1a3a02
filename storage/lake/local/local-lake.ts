/**
 * The lake in a local or shared folder, `<folder>/<dataset>/…`, with its locks in {batch,stream}.lock.sqlite. A shared folder must support hard
 * links, atomic renames and file locks (NFS 4 does).
 */
import { resolve as absolutePath, join } from 'node:path'
import { noSteps, type StepHook } from '#core/steps.ts'
import { assertDatasetName, BlobLake } from '../blob-lake/blob-lake.ts'
import { makeFolder } from './durable-files.ts'
import { FolderBlobs } from './folder-blobs.ts'
import { LocalLocks } from './local-lock.ts'
import { moveManifests } from './moved-manifests.ts'

export interface LocalLakeOptions {
  /** the lake's folder; each dataset has a subfolder */
  readonly folder: string
  readonly dataset: string
  readonly step?: StepHook
}

export class LocalLake extends BlobLake {
  /** absolute path of the dataset's folder: the engine must be allowed to read and write it */
  readonly folder: string

  private constructor(folder: string, dataset: string, step: StepHook) {
    const blobs = new FolderBlobs(folder)
    super({
      ...{ dataset, blobs, step },
      locks: new LocalLocks(folder),
      moveManifests: (folders) => moveManifests(blobs, folders),
    })
    this.folder = folder
  }

  /** Opens the dataset's folder, and creates it if it does not exist. @throws LakeError if that fails */
  static async open({ folder, dataset, step = noSteps }: LocalLakeOptions): Promise<LocalLake> {
    assertDatasetName(dataset)
    const place = join(absolutePath(folder), dataset)
    await makeFolder(place)
    return new LocalLake(place, dataset, step)
  }
}
