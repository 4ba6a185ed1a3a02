/** A definition that the page's code knows nothing of, with a view of as many rows as there are events. */
import { count, defineDataset, max, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'parcels',
  time: 'at',
  key: 'parcel',
  columns: {
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    parcel: { type: 'VARCHAR', path: '$.parcel', required: true },
    grams: { type: 'BIGINT', path: '$.grams' },
    is_fragile: { type: 'BOOLEAN', path: '$.fragile' },
  },
  views: {
    parcels: {
      dimensions: { parcel: 'parcel', is_fragile: 'is_fragile' },
      measures: { grams: sum('grams'), scans: count(), seen: max('at') },
    },
  },
})
