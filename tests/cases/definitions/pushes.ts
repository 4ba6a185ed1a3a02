import { count, defineDataset } from 'watershed'

export default defineDataset({
  name: 'pushes',
  time: 'created_at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    created_at: { type: 'TIMESTAMP', path: '$.created_at', required: true },
    type: { type: 'VARCHAR', path: '$.type' },
  },
  views: { by_type: { dimensions: { type: 'type' }, measures: { n: count() } } },
})
