/**
 * Caches the names in a folder for frequent readers. A listing is reused while the folder's modification time is unchanged, but only
 * if it was read well after that time was first seen: a name added within the clock's granularity would not change the time again.
 */
import { readdir, stat } from 'node:fs/promises'
import type { Listing, NamesInFolder } from '../blob-lake/blobs.ts'
import { isMissing } from '../lake-error.ts'

const SETTLED_AFTER_MS = 2_000

export class FolderListing implements NamesInFolder {
  readonly #folder: string
  readonly #accepts: (name: string) => boolean
  #listing = { version: 0, names: [] as readonly string[] }
  #known = new Set<string>()
  #modified: bigint | null = null
  #seenAtMs = 0
  #settled = false

  constructor(folder: string, accepts: (name: string) => boolean) {
    this.#folder = folder
    this.#accepts = accepts
  }

  /** Forces the next call to read the folder, whatever its modification time. */
  forget(): void {
    this.#settled = false
    this.#modified = null
  }

  async read(): Promise<Listing> {
    const modified = await this.#modifiedNs()
    const nowMs = performance.now()
    if (modified !== this.#modified) {
      this.#modified = modified
      this.#seenAtMs = nowMs
      this.#settled = false
    }
    if (this.#settled) return { ...this.#listing, mark: String(modified) }
    const settles = nowMs - this.#seenAtMs >= SETTLED_AFTER_MS
    const names = (await this.#names()).filter(this.#accepts)
    if (names.length !== this.#known.size || names.some((name) => !this.#known.has(name))) {
      this.#known = new Set(names)
      this.#listing = { version: this.#listing.version + 1, names }
    }
    this.#settled = settles && modified === this.#modified
    return { ...this.#listing, mark: null }
  }

  async #modifiedNs(): Promise<bigint> {
    try {
      return (await stat(this.#folder, { bigint: true })).mtimeNs
    } catch (error) {
      if (isMissing(error)) return -1n
      throw error
    }
  }

  async #names(): Promise<string[]> {
    try {
      return await readdir(this.#folder)
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }
}
