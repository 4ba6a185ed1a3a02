/** Categories of topics, from the file beside this one (category → topics). */
import categories from './topic-categories.json' with { type: 'json' }

export interface TopicEntry {
  readonly key: string
  readonly attributes: { readonly category: string }
}

export function topicEntries(): TopicEntry[] {
  return Object.entries(categories).flatMap(([category, topics]) =>
    topics.map((key) => ({ key, attributes: { category } })),
  )
}

/** Topics by category, for whoever needs plausible ones. */
export const TOPICS_BY_CATEGORY: Readonly<Record<string, readonly string[]>> = categories
