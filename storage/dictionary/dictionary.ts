/** Port: versioned lookup data that enriches answers. Drivers: sqlite-dictionary (embedded), Redis (cluster). */

export interface DictionaryEntry {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
}

export interface DictionaryStore {
  /** Replaces a dictionary's whole content as a new version, in one atomic change. Same content = same version (a hash): no change. Returns the version. */
  publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string>
  /** the newest version; null if the dictionary was never published */
  version(dictionary: string): Promise<string | null>
  /** all entries of one version. @throws if the version no longer exists */
  entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]>
  close(): Promise<void>
}
