/**
 * Files that processes hand to one another while they work together, such as the states of a group of segments: `handoffs/<name>-<random>.parquet`.
 * No manifest names them. Who asked for one removes it; what a crash left is swept.
 */
import { randomBytes } from 'node:crypto'
import type { StagedFile } from '../lake.ts'
import type { LakeFile } from '../segment-manifest.ts'
import type { Blobs } from './blobs.ts'
import { stageFile } from './staged-segment-file.ts'

const FOLDER = 'handoffs'

export class BlobHandoffs {
  readonly #blobs: Blobs

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  async stage(name: string): Promise<StagedFile> {
    await this.#blobs.makeFolder(FOLDER)
    return stageFile(this.#blobs, `${FOLDER}/${name}-${randomBytes(6).toString('hex')}.parquet`, new Set())
  }

  async remove({ path }: LakeFile): Promise<void> {
    if (!path.startsWith(`${FOLDER}/`)) throw new RangeError(`lake: '${path}' was not handed over`)
    await this.#blobs.remove(path)
  }

  /** Paths of all, also of unfinished ones. */
  async all(): Promise<string[]> {
    return (await this.#blobs.names(FOLDER)).map((name) => `${FOLDER}/${name}`)
  }
}
