/** A dataset in which a row is late a minute after its time. */
import { count, defineDataset } from '#core/definition.ts'

export const LATE_TAGS = defineDataset({
  name: 'tags',
  time: 'at',
  key: 'id',
  lateAfter: '1m',
  columns: {
    id: { type: 'BIGINT', path: '$.id', required: true },
    at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true },
  },
  views: { all: { dimensions: {}, measures: { times: count() } } },
})
