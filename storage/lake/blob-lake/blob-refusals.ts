/** Refusals of partitions' logs: `refusals/p0000.json`. */
import { isMissing } from '../lake-error.ts'
import { type LogRefusal, readRefusal, refusalText } from '../log-refusal.ts'
import { partitionName } from '../manifest-names.ts'
import type { Blobs } from './blobs.ts'

const FOLDER = 'refusals'
const NAME = /^p(\d{4,})\.json$/

export class BlobRefusals {
  readonly #blobs: Blobs

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  async all(): Promise<ReadonlyMap<number, LogRefusal>> {
    const found = new Map<number, LogRefusal>()
    for (const name of await this.#blobs.names(FOLDER)) {
      const [, digits] = NAME.exec(name) ?? []
      if (digits === undefined) continue
      try {
        found.set(Number(digits), readRefusal(await this.#blobs.read(`${FOLDER}/${name}`), Number(digits)))
      } catch (error) {
        // Lifted meanwhile.
        if (!isMissing(error)) throw error
      }
    }
    return found
  }

  async add(refusal: LogRefusal): Promise<void> {
    await this.#blobs.makeFolder(FOLDER)
    await this.#blobs.create(pathOf(refusal.partition), refusalText(refusal))
  }

  async remove(partition: number): Promise<void> {
    if (await this.#blobs.remove(pathOf(partition))) await this.#blobs.settle([FOLDER])
  }
}

function pathOf(partition: number): string {
  return `${FOLDER}/${partitionName(partition)}.json`
}
