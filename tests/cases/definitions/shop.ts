import { count, defineDataset, sum } from 'watershed'

export default defineDataset({
  name: 'shop',
  time: 'ts',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    ts: { type: 'TIMESTAMP', path: '$.ts', required: true },
    course: { type: 'VARCHAR', path: '$.course.slug' },
    price: { type: 'DECIMAL(9,2)', path: '$.price' },
  },
  views: {
    sales: { dimensions: { course: 'course' }, time: ['hour', 'day'], measures: { n: count(), revenue: sum('price') } },
  },
})
