/**
 * Caches the names in a folder for frequent readers. A listing is reused while the folder's modification time is unchanged, but only
 * if it was read well after that time was first seen: a name added within the clock's granularity would not change the time again.
 */
import { readdir } from 'node:fs'
import { AcceptedNames } from '../blob-lake/accepted-names.ts'
import type { Listing, NamesInFolder } from '../blob-lake/blobs.ts'
import { isMissing } from '../lake-error.ts'
import type { ModifiedTimes } from './modified-times.ts'

const SETTLED_AFTER_MS = 2_000

export class FolderListing implements NamesInFolder {
  readonly #folder: string
  readonly #accepted: AcceptedNames
  readonly #times: Pick<ModifiedTimes, 'of'>
  /** null: the folder does not exist; undefined: not known */
  #modified: bigint | null | undefined
  #seenAtMs = 0
  #settled = false

  constructor(folder: string, accepts: (name: string) => boolean, times: Pick<ModifiedTimes, 'of'>) {
    this.#folder = folder
    this.#times = times
    this.#accepted = new AcceptedNames(accepts)
  }

  /** Forces the next call to read the folder, whatever its modification time. */
  forget(): void {
    this.#settled = false
    this.#modified = undefined
  }

  async read(): Promise<Listing> {
    const modified = await this.#times.of(this.#folder)
    const nowMs = performance.now()
    if (modified !== this.#modified) {
      this.#modified = modified
      this.#seenAtMs = nowMs
      this.#settled = false
    }
    if (this.#settled) return { ...this.#accepted.listing, mark: String(modified) }
    const settles = nowMs - this.#seenAtMs >= SETTLED_AFTER_MS
    this.#accepted.take(modified === null ? [] : await this.#names())
    this.#settled = settles && modified === this.#modified
    return { ...this.#accepted.listing, mark: null }
  }

  async #names(): Promise<string[]> {
    try {
      return await namesIn(this.#folder)
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }
}

/** The functions of node:fs take a third of the processor time of those in node:fs/promises. */
function namesIn(folder: string): Promise<string[]> {
  return new Promise((resolve, reject) => readdir(folder, (error, names) => (error ? reject(error) : resolve(names))))
}
