/** The fetchers of the batch role: one per dictionary with a source; they fetch the keys that runs did not find. */
import type { DictionaryStore } from '#storage/dictionary/dictionary.ts'
import { DictionaryFetcher, type FetcherState, type FetchLimits } from '#storage/dictionary/dictionary-fetcher.ts'
import { httpFetchKey } from '#storage/dictionary/http-fetch-key.ts'
import type { Emit } from '#telemetry/emit.ts'
import { isShipped } from './dictionary-shelf.ts'

export interface DictionaryFetchersOptions {
  readonly store: DictionaryStore
  /** dictionary → URL template with {key} in it */
  readonly sources: Readonly<Record<string, string>>
  readonly emit: Emit
  readonly limits?: Partial<FetchLimits>
}

export class DictionaryFetchers {
  readonly #fetchers: ReadonlyMap<string, DictionaryFetcher>

  /** Starts the fetchers, without waiting for the store or a source. @throws RangeError for an invalid source */
  static start(options: DictionaryFetchersOptions): DictionaryFetchers {
    const fetchers = new DictionaryFetchers(options)
    for (const fetcher of fetchers.#fetchers.values()) fetcher.start()
    return fetchers
  }

  private constructor({ store, sources, emit, limits }: DictionaryFetchersOptions) {
    this.#fetchers = new Map(
      Object.entries(sources).map(([dictionary, url]) => {
        if (isShipped(dictionary))
          throw new RangeError(
            `dictionarySources: '${dictionary}' is a shipped dictionary and cannot be fetched; replace it with \`watershed dictionaries publish\``,
          )
        const onFault = (message: string): void =>
          emit({ name: 'dictionary-fetch-failed', level: 'warn', message, fields: { dictionary } })
        return [dictionary, new DictionaryFetcher({ store, dictionary, fetch: httpFetchKey({ url }), onFault, limits })]
      }),
    )
  }

  /** Called by a batch run with its missing keys. Ignores dictionaries without a source. */
  readonly onUnknownKeys = (dictionary: string, keys: readonly string[]): void => {
    this.#fetchers.get(dictionary)?.want(keys)
  }

  states(): ReadonlyMap<string, FetcherState> {
    return new Map([...this.#fetchers].map(([dictionary, fetcher]) => [dictionary, fetcher.state()]))
  }

  /** Publishes what was fetched. The store must still be open. */
  async stop(): Promise<void> {
    await Promise.all([...this.#fetchers.values()].map((fetcher) => fetcher.stop()))
  }
}
