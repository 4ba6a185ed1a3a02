/**
 * Names in a folder of an object store, for frequent readers. Where a folder has a sign, an object that is replaced whenever something is added
 * below, another look costs one conditional GET while nothing changes.
 */
import { AcceptedNames } from '../blob-lake/accepted-names.ts'
import type { Listing, NamesInFolder } from '../blob-lake/blobs.ts'
import type { S3Store } from './s3-store.ts'

/** What the sign of a folder was when it was read; null: there was none. */
interface Mark {
  readonly etag: string | null
}

export interface SignedNamesOptions {
  readonly store: S3Store
  /** path of the folder in the store */
  readonly folder: string
  readonly accepts: (name: string) => boolean
  /** the key of its sign; null: it is listed at each look */
  readonly sign: string | null
  /** how long an unchanged sign stands for the names: a writer may have died before it replaced the sign */
  readonly trustedMs: number
}

export class SignedNames implements NamesInFolder {
  readonly #options: SignedNamesOptions
  readonly #accepted: AcceptedNames
  #mark: Mark | null = null
  #listedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SignedNamesOptions) {
    this.#options = options
    this.#accepted = new AcceptedNames(options.accepts)
  }

  forget(): void {
    this.#listedAtMs = Number.NEGATIVE_INFINITY
  }

  /** The sign is read before the names: what is added while they are listed changes it afterwards. */
  async read(): Promise<Listing> {
    const { store, folder, trustedMs } = this.#options
    const mark = await this.#readMark()
    const isFresh = performance.now() - this.#listedAtMs < trustedMs
    const unchanged = mark !== null && this.#mark !== null && mark.etag === this.#mark.etag
    if (!unchanged || !isFresh) {
      const startedMs = performance.now()
      const { files, folders } = await store.list(folder)
      this.#accepted.take([...files, ...folders])
      this.#mark = mark
      this.#listedAtMs = startedMs
    }
    return { ...this.#accepted.listing, mark: mark && (mark.etag ?? 'none') }
  }

  async #readMark(): Promise<Mark | null> {
    const { store, sign } = this.#options
    if (sign === null) return null
    const etag = this.#mark?.etag ?? undefined
    const found = await store.get(sign, etag)
    if (found === 'same') return { etag: etag! }
    return { etag: found?.etag ?? null }
  }
}
