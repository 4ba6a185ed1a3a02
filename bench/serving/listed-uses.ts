/** A dataset whose view has very many rows, with a text, a decimal and a double in each: what an export is measured on. */
import { avg, count, defineDataset, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'listed_uses',
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
      dimensions: {
        key: 'key',
        name: "'user ' || key::VARCHAR || ' of team ' || (key % 977)::VARCHAR",
        category: 'key % 100',
      },
      measures: { uses: count(), weight: sum('(key * 7919) % 10007'), share: avg('((key * 7919) % 10007) / 7') },
    },
  },
})
