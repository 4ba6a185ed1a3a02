/** The dictionaries that come with the platform, by name. */
import { countryEntries } from './countries.ts'
import type { DictionaryEntry } from './dictionary-entry.ts'
import { topicEntries } from './topic-categories.ts'

export const SHIPPED_DICTIONARIES: Readonly<Record<string, () => Iterable<DictionaryEntry>>> = {
  countries: countryEntries,
  topic_categories: topicEntries,
}
