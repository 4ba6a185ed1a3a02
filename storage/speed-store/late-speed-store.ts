/** A speed store that is opened when it is used for the first time, and again after that failed: what can do without it need not wait for it. */
import type { Offset, Positions } from '#core/offsets.ts'
import type { Marker, OpenPartials, PaneRange, PartialRow, SpeedStore } from './speed-store.ts'

export interface LateSpeedStoreOptions {
  readonly open: () => Promise<SpeedStore>
  /** called if it cannot be opened: the first time, and after it had been open */
  readonly onFault: (message: string) => void
}

export class LateSpeedStore implements SpeedStore {
  readonly #options: LateSpeedStoreOptions
  #opening: Promise<SpeedStore> | null = null
  #told = false
  #closed = false
  #isOpen = false

  constructor(options: LateSpeedStoreOptions) {
    this.#options = options
  }

  async flush(partials: readonly PartialRow[], marker: Marker): Promise<void> {
    await (await this.#opened()).flush(partials, marker)
  }

  async read(views: readonly string[], starts: Positions, panes?: PaneRange): Promise<OpenPartials> {
    return (await this.#opened()).read(views, starts, panes)
  }

  async markers(): Promise<ReadonlyMap<number, Marker>> {
    return (await this.#opened()).markers()
  }

  async deleteClosed(partition: number, before: Offset, limit: number): Promise<number> {
    return (await this.#opened()).deleteClosed(partition, before, limit)
  }

  /** Does not wait for one that is being opened: it is closed when it is open. */
  async close(): Promise<void> {
    this.#closed = true
    const closing = this.#opening?.then(
      (store) => store.close(),
      () => {},
    )
    if (this.#isOpen) await closing
  }

  #opened(): Promise<SpeedStore> {
    if (this.#closed) return Promise.reject(new Error('the speed store is closed'))
    this.#opening ??= this.#open()
    return this.#opening
  }

  async #open(): Promise<SpeedStore> {
    try {
      const store = await this.#options.open()
      this.#isOpen = true
      this.#told = false
      return store
    } catch (error) {
      this.#opening = null
      if (!this.#told && !this.#closed) this.#options.onFault((error as Error).message)
      this.#told = true
      throw error
    }
  }
}
