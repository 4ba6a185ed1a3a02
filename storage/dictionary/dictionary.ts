/** Port: look-up data used to enrich answers, versioned. Drivers: sqlite-dictionary (embedded), Redis (cluster). */

export interface DictionaryEntry {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface DictionaryStore {
  /** Replaces a dictionary's whole content as a new version, in one atomic change. Same content = same version (a hash): no change. Returns the version. */
  publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string>
  /** the newest version; null when the dictionary was never published */
  version(dictionary: string): Promise<string | null>
  /** all entries of one version. @throws when the version is gone */
  entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]>
  close(): Promise<void>
}
