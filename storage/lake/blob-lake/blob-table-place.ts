/** Open tables in a lake over blobs: each version is one conditional write, by a writer that has just proved that it holds the batch lock. */
import { dirname } from 'node:path/posix'
import type { TableDraft, TablePlace } from '../table-place.ts'
import type { Blobs } from './blobs.ts'
import type { LakeLocks } from './lake-locks.ts'
import { stageFile } from './staged-segment-file.ts'

export class BlobTablePlace implements TablePlace {
  readonly #blobs: Blobs
  readonly #locks: LakeLocks

  constructor(blobs: Blobs, locks: LakeLocks) {
    this.#blobs = blobs
    this.#locks = locks
  }

  nameOf(path: string): string {
    return this.#blobs.nameOf(path)
  }

  async read(path: string): Promise<string | null> {
    return (await this.#blobs.version(path))?.text ?? null
  }

  async create(path: string, text: string): Promise<boolean> {
    await this.#blobs.makeFolder(dirname(path))
    await this.#locks.prove('batch')
    return this.#blobs.create(path, text)
  }

  async replace(path: string, text: string): Promise<void> {
    await this.#locks.prove('batch')
    await this.#blobs.replace(path, text)
  }

  names(folder: string): Promise<readonly string[]> {
    return this.#blobs.names(folder)
  }

  async ageMs(path: string): Promise<number | null> {
    const found = await this.#blobs.stat(path)
    return found && (await this.#blobs.nowMs()) - found.modifiedMs
  }

  async remove(path: string): Promise<void> {
    await this.#locks.prove('batch')
    await this.#blobs.remove(path)
  }

  async removeFolder(folder: string): Promise<void> {
    await this.#locks.prove('batch')
    await this.#blobs.removeFolder(folder)
  }

  async stage(path: string): Promise<TableDraft> {
    await this.#blobs.makeFolder(dirname(path))
    const staged = stageFile(this.#blobs, path, new Set())
    return {
      ...staged,
      finish: async (rows) => {
        await this.#locks.prove('batch')
        return staged.finish(rows)
      },
    }
  }

  bring(path: string): Promise<string> {
    return this.#blobs.bring(path)
  }
}
