/**
 * Reads dictionaries from the store for a batch run. Enrichment never fails a run: if the store is unavailable, was emptied or fails,
 * the run continues with what the previous generation pinned, and reports it; the next run uses the newest version again.
 */
import type { DictionaryEntry, DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { Emit } from '#telemetry/emit.ts'

/** a version can be dropped between reading its name and its entries, if dictionaries are published in quick succession */
const VERSION_TRIES = 3

export interface NewestVersion {
  readonly version: string
  readonly entries: readonly DictionaryEntry[]
}

export class DictionarySource {
  readonly #store: DictionaryStore
  readonly #dataset: string
  readonly #emit: Emit
  readonly #told = new Set<string>()

  constructor(store: DictionaryStore, dataset: string, emit: Emit) {
    this.#store = store
    this.#dataset = dataset
    this.#emit = emit
  }

  /**
   * @param pinned the version that the previous generation pinned
   * @returns whether the store certainly has another version
   */
  async changed(name: string, pinned: string | undefined): Promise<boolean> {
    const version = await this.#orNull(name, pinned, () => this.#store.version(name))
    return version !== null && version !== pinned
  }

  /** The newest version with its entries, if it differs from the pinned one; otherwise, or if the store cannot provide one, null. */
  async newer(name: string, pinned: string | undefined): Promise<NewestVersion | null> {
    return this.#orNull(name, pinned, async () => {
      for (let tries = 1; ; tries++) {
        const version = await this.#store.version(name)
        if (version === null && pinned !== undefined) throw new Error('the store no longer has it')
        if (version === null || version === pinned) return null
        try {
          return { version, entries: await this.#store.entries(name, version) }
        } catch (error) {
          if (tries === VERSION_TRIES) throw error
        }
      }
    })
  }

  async #orNull<Found>(
    name: string,
    pinned: string | undefined,
    ask: () => Promise<Found | null>,
  ): Promise<Found | null> {
    try {
      return await ask()
    } catch (error) {
      if (!this.#told.has(name)) this.#tell(name, pinned, error)
      this.#told.add(name)
      return null
    }
  }

  #tell(dictionary: string, pinned: string | undefined, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error)
    const instead =
      pinned === undefined
        ? 'answers are not enriched by it until a run can read it'
        : `the run keeps version ${pinned}, which the previous generation pinned; publish the dictionary again if it does not recover`
    this.#emit({
      name: 'dictionary-unavailable',
      level: 'warn',
      dataset: this.#dataset,
      message: `dictionary '${dictionary}', used by '${this.#dataset}': ${why}. For now ${instead}`,
      fields: { dictionary },
    })
  }
}
