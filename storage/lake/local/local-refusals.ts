/** Refusals in a local or shared folder: `refusals/p0000.json`. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from '../lake-error.ts'
import { type LogRefusal, readRefusal, refusalText } from '../log-refusal.ts'
import { partitionName } from '../manifest-names.ts'
import { createExclusive, fsyncFolder, makeFolder, removeFile } from './durable-files.ts'

const NAME = /^p(\d{4,})\.json$/

export class LocalRefusals {
  readonly #folder: string

  /** @param folder of the dataset */
  constructor(folder: string) {
    this.#folder = join(folder, 'refusals')
  }

  async all(): Promise<ReadonlyMap<number, LogRefusal>> {
    const found = new Map<number, LogRefusal>()
    for (const name of await this.#names()) {
      const partition = Number(NAME.exec(name)![1])
      try {
        found.set(partition, readRefusal(await readFile(join(this.#folder, name), 'utf8'), partition))
      } catch (error) {
        // Lifted meanwhile.
        if (!isMissing(error)) throw error
      }
    }
    return found
  }

  async add(refusal: LogRefusal): Promise<void> {
    await makeFolder(this.#folder)
    await createExclusive(this.#path(refusal.partition), refusalText(refusal))
  }

  async remove(partition: number): Promise<void> {
    if (await removeFile(this.#path(partition))) await fsyncFolder(this.#folder)
  }

  async #names(): Promise<string[]> {
    try {
      return (await readdir(this.#folder)).filter((name) => NAME.test(name))
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  #path(partition: number): string {
    return join(this.#folder, `${partitionName(partition)}.json`)
  }
}
