/** The dataset of docs/reference/live.md, followed by many. */
import { count, defineDataset, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'shop',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    kind: { type: 'VARCHAR', path: '$.kind' },
    page: { type: 'VARCHAR', path: '$.page' },
    amount: { type: 'BIGINT', path: '$.amount' },
  },
  views: {
    by_kind: {
      dimensions: { kind: 'kind', page: 'page' },
      time: ['minute'],
      measures: { n: count(), total: sum('amount') },
    },
  },
})
