/** What hostile clients send to, and an honest one beside them. */
export const DATASET = 'notes'
export const EVENT_MS = 1_700_000_000_000

export const DEFINITION = `import { count, defineDataset } from 'watershed'
export default defineDataset({
  name: '${DATASET}', time: 'at', key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    who: { type: 'VARCHAR', path: '$.who' },
    place: { type: 'VARCHAR', path: '$.place' },
    body: { type: 'VARCHAR', path: '$.body' },
  },
  views: {
    by_place: { dimensions: { place: 'place' }, measures: { n: count() } },
    by_who: { dimensions: { who: 'who' }, measures: { n: count() } },
  },
})
`
