/** What a dictionary holds for one key. The dictionary port's entries have the same shape; datasets depend on no port. */
export interface DictionaryEntry {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
}
