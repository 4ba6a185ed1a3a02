/** A flat dataset, as CSV files hold one. */
import { avg, count, defineDataset, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'sales_table',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    shop: { type: 'VARCHAR', path: '$.shop' },
    items: { type: 'INTEGER', path: '$.items' },
    price: { type: 'DOUBLE', path: '$.price' },
    country: { type: 'VARCHAR', path: '$.country' },
  },
  views: {
    by_shop: {
      dimensions: { shop: 'shop' },
      time: ['minute', 'day'],
      measures: { sales: count(), items: sum('items') },
    },
    by_country: {
      dimensions: { country: 'country' },
      time: ['hour'],
      measures: { sales: count(), price: avg('price') },
    },
  },
})
