/** A small dataset for the crash tests: every kind of state, cheap to fold. It is copied outside the project to be loaded as a user's own file. */
import { avg, count, countDistinct, defineDataset, latest, max, quantile, sliding, sum } from 'watershed'

export default defineDataset({
  name: 'crash_events',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
    amount: { type: 'BIGINT', path: '$.amount', default: 0 },
    weight: { type: 'DOUBLE', path: '$.weight' },
    tags: { type: 'VARCHAR[]', path: '$.tags' },
  },
  views: {
    by_id: { dimensions: { id: 'id' }, measures: { events: count() } },
    by_kind: {
      dimensions: { kind: 'kind' },
      time: ['10s', 'minute'],
      measures: {
        events: count(),
        total: sum('amount'),
        weight: sum('weight'),
        mean: avg('amount'),
        largest: max('amount'),
        ids: countDistinct('id'),
        median: quantile('amount', 0.5),
        newest: latest('amount'),
      },
    },
    tags: {
      unnest: { tag: 'tags' },
      dimensions: { tag: 'tag' },
      window: sliding({ size: '1m', every: '10s' }),
      measures: { mentions: count() },
      rank: { by: 'mentions', limit: 5 },
    },
  },
})
