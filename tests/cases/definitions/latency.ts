import { count, defineDataset, max, min, quantile } from 'watershed'

export default defineDataset({
  name: 'latency',
  time: 'at',
  key: 'service',
  columns: {
    service: { type: 'VARCHAR', path: '$.service', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
    ms: { type: 'INTEGER', path: '$.ms' },
  },
  views: {
    by_service: {
      dimensions: { service: 'service' },
      measures: {
        n: count(),
        lowest: min('ms'),
        p50: quantile('ms', 0.5),
        p95: quantile('ms', 0.95),
        p99: quantile('ms', 0.99),
        highest: max('ms'),
      },
    },
  },
})
