/** A small dataset of the fault tests, and its events. */
export const DATASET = 'notes'

/** @param text of a definition file; `language` is where it imports from */
export function notesDefinition(language: string, where = ''): string {
  return `import { count, countDistinct, defineDataset, sum } from '${language}'
export default defineDataset({
  name: '${DATASET}', time: 'written', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    written: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    topic: { type: 'VARCHAR', path: '$.topic' },
    words: { type: 'INTEGER', path: '$.words', default: 0 },
  },
  views: {
    by_topic: { dimensions: { topic: 'topic' }, time: ['minute', 'day'], ${where}
      measures: { notes: count(), words: sum('words'), ids: countDistinct('id') } },
    all: { dimensions: {}, measures: { notes: count() } },
  },
})
`
}

export interface Note {
  readonly id: number
  readonly at: number
  readonly topic: string
  readonly words: number
}

/** The same ids give the same notes. */
export function notes(from: number, to: number): Note[] {
  return Array.from({ length: to - from }, (_, index) => {
    const id = from + index
    return { id, at: 1_700_000_000_000 + id * 997, topic: ['tea', 'ö', 'x'][id % 3]!, words: (id * 7) % 50 }
  })
}

export const linesOf = (some: readonly Note[]): string[] => some.map((note) => JSON.stringify(note))

/** What by_topic says of the notes, recounted by hand, as its answer's rows. */
export function byTopic(some: readonly Note[]): Record<string, unknown>[] {
  return [...Map.groupBy(some, ({ topic }) => topic)]
    .map(([topic, own]) => ({
      topic,
      notes: own.length,
      words: own.reduce((sum, { words }) => sum + words, 0),
      ids: new Set(own.map(({ id }) => id)).size,
    }))
    .sort((a, b) => Buffer.compare(Buffer.from(a.topic), Buffer.from(b.topic)))
}
