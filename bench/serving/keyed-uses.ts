/** A dataset whose view has very many keys: each event uses a list of them. */
import { count, defineDataset, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'keyed_uses',
  time: 'used_at',
  key: 'batch',
  columns: {
    batch: { type: 'BIGINT', path: '$.batch', required: true },
    used_at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    keys: { type: 'BIGINT[]', path: '$.keys[*]', default: [] },
  },
  views: {
    by_key: {
      unnest: { key: 'keys' },
      dimensions: { key: 'key', category: 'key % 100' },
      measures: { uses: count(), weight: sum('(key * 7919) % 10007') },
    },
  },
})
