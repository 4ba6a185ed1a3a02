/** The dictionaries that come with the platform, by name. */
import { countryEntries } from './countries.ts'
import { topicEntries } from './topic-categories.ts'

export interface ShippedEntry {
  readonly key: string
  readonly attributes: Readonly<Record<string, string>>
}

export const SHIPPED_DICTIONARIES: Readonly<Record<string, () => Iterable<ShippedEntry>>> = {
  countries: countryEntries,
  topic_categories: topicEntries,
}
