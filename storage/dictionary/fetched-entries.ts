/**
 * Fetched entries and their times, stored as two dictionaries in any store: `<name>` with the entries, and `<name>.fetched`
 * with the time of each key, including those that the source does not have. Entries without a time came from a file and never expire.
 * Several processes can fetch for one dictionary: each reads what the others published, the later fetch of a key wins, and a key
 * that is lost if two publish concurrently is fetched again.
 */
import { isDeepStrictEqual } from 'node:util'
import type { DictionaryEntry, DictionaryStore } from './dictionary.ts'

export type Attributes = DictionaryEntry['attributes']

interface Known {
  /** null: the source has no such key */
  readonly attributes: Attributes | null
  /** epoch ms of the fetch; null: the entry came from a file */
  readonly fetchedAtMs: number | null
}

/** A fetch that is dated further ahead was made under a wrong clock: when it was made is not known. */
const FUTURE_MS_MAX = 60_000

export class FetchedEntries {
  readonly #store: DictionaryStore
  readonly #name: string
  readonly #clock: () => number
  readonly #known = new Map<string, Known>()
  /** version in the store when it was last read */
  #version: string | null = null
  /** not published yet: times of fetches, and what they found */
  #hasNewTimes = false
  #hasNewEntries = false

  /** @param clock epoch ms */
  constructor(store: DictionaryStore, dictionary: string, clock: () => number) {
    this.#store = store
    this.#name = dictionary
    this.#clock = clock
  }

  /** number of keys that were found, and of those known not to exist */
  get size(): number {
    return this.#known.size
  }

  /** Whether the key needs no fetch: it came from a file, or was fetched after `sinceMs` (epoch). */
  isFresh(key: string, sinceMs: number): boolean {
    const known = this.#known.get(key)
    return known !== undefined && (known.fetchedAtMs === null || this.#believed(known.fetchedAtMs) > sinceMs)
  }

  /** Found keys that were fetched at or before `untilMs` (epoch), the oldest first. */
  expired(untilMs: number): string[] {
    return [...this.#known]
      .flatMap(([key, { attributes, fetchedAtMs }]) =>
        attributes === null || fetchedAtMs === null ? [] : [{ key, atMs: this.#believed(fetchedAtMs) }],
      )
      .filter(({ atMs }) => atMs <= untilMs)
      .sort((a, b) => a.atMs - b.atMs)
      .map(({ key }) => key)
  }

  /** @param attributes null: the source has no such key */
  put(key: string, attributes: Attributes | null, fetchedAtMs: number): void {
    this.#hasNewTimes = true
    this.#hasNewEntries ||= !isDeepStrictEqual(this.#known.get(key)?.attributes ?? null, attributes)
    this.#known.set(key, { attributes, fetchedAtMs })
  }

  /**
   * Reads what the store has, and publishes what was lost in the store, or is new here: entries only if they are other ones.
   * @param isDue false: what is new is left for a later call
   * @returns how many keys it published, those known not to exist included; 0: nothing was published
   * @throws what the store throws; no entry is lost then, the next call retries
   */
  async exchange(isDue: boolean): Promise<number> {
    const version = await this.#store.version(this.#name)
    if (version !== null && version !== this.#version) await this.#takeOver(version)
    if (version !== null && !(isDue && this.#hasNewTimes)) return 0
    const hasNewEntries = this.#hasNewEntries
    this.#hasNewTimes = false
    this.#hasNewEntries = false
    try {
      // The times first: a time without an entry leads to a fetch, but an entry without a time would count as one from a file.
      await this.#store.publish(`${this.#name}.fetched`, this.#times())
      // Also where another process has published entries, whose times were just replaced.
      const isNew = version === null || hasNewEntries || (await this.#store.version(this.#name)) !== version
      if (isNew) this.#version = await this.#store.publish(this.#name, this.#found())
      return this.#known.size
    } catch (error) {
      this.#hasNewTimes = true
      this.#hasNewEntries = hasNewEntries
      throw error
    }
  }

  async #takeOver(version: string): Promise<void> {
    const entries = new Map(
      (await this.#store.entries(this.#name, version)).map((entry) => [entry.key, entry.attributes]),
    )
    const times = await this.#storedTimes()
    for (const [key, known] of this.#known) if (known.fetchedAtMs === null) this.#known.delete(key)
    for (const [key, attributes] of entries) this.#takeOverOne(key, attributes, times.get(key)?.atMs ?? null)
    for (const [key, { found, atMs }] of times) if (!found) this.#takeOverOne(key, null, atMs)
    this.#version = version
    // What was fetched here since may be other than what this version has.
    this.#hasNewEntries ||= this.#hasNewTimes
  }

  #takeOverOne(key: string, attributes: Attributes | null, fetchedAtMs: number | null): void {
    const own = this.#known.get(key)?.fetchedAtMs
    const ownMs = own === undefined || own === null ? Number.NEGATIVE_INFINITY : this.#believed(own)
    if (this.#believed(fetchedAtMs ?? 0) >= ownMs) this.#known.set(key, { attributes, fetchedAtMs })
  }

  #believed(fetchedAtMs: number): number {
    return fetchedAtMs > this.#clock() + FUTURE_MS_MAX ? 0 : fetchedAtMs
  }

  async #storedTimes(): Promise<Map<string, { readonly found: boolean; readonly atMs: number }>> {
    const name = `${this.#name}.fetched`
    const version = await this.#store.version(name)
    const entries = version === null ? [] : await this.#store.entries(name, version)
    return new Map(
      entries.map(({ key, attributes }) => [key, { found: attributes.found === 'yes', atMs: Number(attributes.atMs) }]),
    )
  }

  *#found(): Generator<DictionaryEntry> {
    for (const [key, { attributes }] of this.#known) if (attributes !== null) yield { key, attributes }
  }

  *#times(): Generator<DictionaryEntry> {
    for (const [key, { attributes, fetchedAtMs }] of this.#known) {
      if (fetchedAtMs === null) continue
      yield { key, attributes: { atMs: String(fetchedAtMs), found: attributes === null ? 'no' : 'yes' } }
    }
  }
}
