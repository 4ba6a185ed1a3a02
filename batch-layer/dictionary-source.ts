/**
 * What a batch run takes from the dictionary store. Enrichment never fails a run: where the store is away, was emptied or gives faults,
 * the run goes on with what the generation before it pinned, and says so; the next run takes the newest version again.
 */
import type { DictionaryEntry, DictionaryStore } from '#storage/dictionary/dictionary.ts'
import type { Emit } from '#telemetry/emit.ts'

/** a version can be dropped between asking for it and reading it, when dictionaries are published quickly one after the other */
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
   * @param pinned the version that the generation before pinned
   * @returns whether the store has another version for sure
   */
  async changed(name: string, pinned: string | undefined): Promise<boolean> {
    const version = await this.#orNull(name, pinned, () => this.#store.version(name))
    return version !== null && version !== pinned
  }

  /** The newest version with its entries, if it is another than the pinned one; else, and where the store has none to give, null. */
  async newer(name: string, pinned: string | undefined): Promise<NewestVersion | null> {
    return this.#orNull(name, pinned, async () => {
      for (let tries = 1; ; tries++) {
        const version = await this.#store.version(name)
        if (version === null && pinned !== undefined) throw new Error('the store does not have it any more')
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
        ? 'answers come without it until a run can read it'
        : `the run keeps version ${pinned}, which the generation before it pinned; publish it again if it does not come back by itself`
    this.#emit({
      name: 'dictionary-unavailable',
      level: 'warn',
      dataset: this.#dataset,
      message: `dictionary '${dictionary}', which '${this.#dataset}' looks up: ${why}. For now ${instead}`,
      fields: { dictionary },
    })
  }
}
