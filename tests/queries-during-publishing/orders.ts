/** A dataset with every kind of view, measure and grain, small enough to be recounted by hand. */
import {
  avg,
  count,
  countDistinct,
  defineDataset,
  first,
  latest,
  max,
  min,
  quantile,
  ratio,
  sliding,
  sum,
} from '#core/definition.ts'

export const PARTITIONS = 3
export const LATE_AFTER_MS = 3_600_000
export const WINDOW_MS = 60_000
export const WINDOW_EVERY_MS = 10_000

export const orders = defineDataset({
  name: 'orders',
  time: 'placed_at',
  key: 'id',
  lateAfter: '1h',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    placed_at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    shop: { type: 'VARCHAR', path: '$.shop' },
    kind: { type: 'VARCHAR', path: '$.what.kind' },
    member: { type: 'BIGINT', path: '$.member' },
    amount: { type: 'INTEGER', path: '$.amount', default: 0 },
    large: { type: 'BIGINT', path: '$.large' },
    weight: { type: 'DOUBLE', path: '$.weight' },
    tags: { type: 'VARCHAR[]', path: '$.tags[*].name' },
  },
  views: {
    by_kind: {
      dimensions: { kind: 'kind', shop: 'shop' },
      time: ['10s', 'minute', '5m', '15m', 'hour', 'day', 'week', 'month', 'quarter', 'year'],
      measures: {
        orders: count(),
        dear: count({ where: 'amount > 500' }),
        total: sum('amount'),
        large: sum('large'),
        weight: sum('weight'),
        mean: avg('weight'),
        share: ratio('CASE WHEN amount > 500 THEN amount ELSE 0 END', 'amount'),
        smallest: min('amount'),
        heaviest: max('weight'),
        oldest: first('amount'),
        newest: latest('weight'),
        members: countDistinct('member'),
        median: quantile('amount', 0.5),
      },
    },
    members: {
      dimensions: { member: 'member' },
      measures: {
        orders: count(),
        total: sum('amount'),
        kinds: countDistinct('kind', { exact: true }),
        last: max('placed_at'),
      },
    },
    per_second: { dimensions: {}, time: ['second', 'hour'], measures: { orders: count() } },
    trending: {
      unnest: { tag: 'tags' },
      dimensions: { tag: 'tag', shop: 'shop' },
      window: sliding({ size: '60s', every: '10s' }),
      measures: { mentions: count(), members: countDistinct('member') },
      rank: { by: 'mentions', limit: 5, dimensions: ['tag'], having: 'mentions > 2' },
    },
  },
})
