/** A second, small dataset beside the RSVPs. */
import { avg, count, defineDataset, max, sliding } from '#core/definition.ts'

export default defineDataset({
  name: 'winds',
  time: 'measured_at',
  key: 'station',
  columns: {
    station: { type: 'VARCHAR', path: '$.station', required: true },
    measured_at: { type: 'TIMESTAMP', path: '$.measured_at', unit: 'ms', required: true },
    gust: { type: 'DECIMAL(5,1)', path: '$.gust' },
  },
  views: {
    by_station: {
      dimensions: { station: 'station' },
      time: ['minute', 'hour', 'day'],
      measures: { readings: count(), strongest: max('gust'), mean: avg('gust') },
    },
    storms: {
      dimensions: { station: 'station' },
      window: sliding({ size: '10m', every: '1m' }),
      measures: { strong: count({ where: 'gust >= 75' }) },
      rank: { by: 'strong', limit: 10, having: 'strong > 0' },
    },
    records: { dimensions: { station: 'station' }, measures: { readings: count(), strongest: max('gust') } },
  },
})
