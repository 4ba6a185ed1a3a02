/** A definition that the page's code knows nothing of. */
import { count, defineDataset, quantile, sum } from '#core/definition.ts'

export default defineDataset({
  name: 'visits',
  time: 'at',
  key: 'page',
  columns: {
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    page: { type: 'VARCHAR', path: '$.page', required: true },
    browser: { type: 'VARCHAR', path: '$.browser' },
    ms: { type: 'BIGINT', path: '$.ms' },
  },
  views: {
    pages: {
      dimensions: { page: 'page', browser: 'browser' },
      time: ['minute', 'day'],
      measures: { visits: count(), ms: sum('ms') },
    },
    browsers: { dimensions: { browser: 'browser' }, time: ['minute', 'day'], measures: { loads: count() } },
    slow: { dimensions: { page: 'page' }, measures: { p95: quantile('ms', 0.95) } },
  },
})
