import { count, defineDataset, sum } from 'watershed'

export default defineDataset({
  name: 'delays',
  time: 'date',
  key: 'origin',
  columns: {
    date: { type: 'TIMESTAMP', path: '$.date', format: '%Y/%m/%d %H:%M', required: true },
    origin: { type: 'VARCHAR', path: '$.origin', required: true },
    delay: { type: 'DOUBLE', path: '$.delay' },
  },
  views: { total: { dimensions: {}, measures: { n: count(), delay: sum('delay') } } },
})
