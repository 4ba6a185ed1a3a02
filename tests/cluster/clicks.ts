/** A small dataset with every kind of merge, and its events. */
import { count, countDistinct, defineDataset, latest, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'clicks',
  time: 'at',
  key: 'id',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page' },
    spent: { type: 'BIGINT', path: '$.spent' },
  },
  views: {
    by_id: { dimensions: { id: 'id' }, measures: { clicks: count() } },
    pages: {
      dimensions: { page: 'page' },
      time: ['minute'],
      measures: { clicks: count(), total: sum('spent'), ids: countDistinct('id'), newest: latest('spent') },
    },
  },
})

/** Event number `id` as a line; every hundredth is none. */
export function clickLine(id: number): string {
  if (id % 100 === 37) return `{"id":${id},"at":"soon`
  return JSON.stringify({ id, at: 1_700_000_000_000 + (id % 7_200) * 1_000, page: `/p${id % 7}`, spent: id % 1_000 })
}
