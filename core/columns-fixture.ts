/** A column of every type and unit, for tests that compare ingest with the engine. Each reads the member `v`. */
import type { ColumnDefinition } from './definition.ts'

export const KINDS_OF_COLUMNS: readonly ColumnDefinition[] = [
  { type: 'BOOLEAN', path: '$.v' },
  { type: 'INTEGER', path: '$.v' },
  { type: 'BIGINT', path: '$.v' },
  { type: 'DOUBLE', path: '$.v' },
  { type: 'DECIMAL(6,2)', path: '$.v' },
  { type: 'DECIMAL(2,2)', path: '$.v' },
  { type: 'DECIMAL(15,3)', path: '$.v' },
  { type: 'DECIMAL(20,2)', path: '$.v' },
  { type: 'DECIMAL(38,0)', path: '$.v' },
  { type: 'VARCHAR', path: '$.v' },
  { type: 'JSON', path: '$.v' },
  { type: 'DATE', path: '$.v' },
  { type: 'TIMESTAMP', path: '$.v' },
  { type: 'TIMESTAMP', path: '$.v', unit: 's' },
  { type: 'TIMESTAMP', path: '$.v', unit: 'ms' },
  { type: 'TIMESTAMP', path: '$.v', unit: 'us' },
  { type: 'TIMESTAMP', path: '$.v', format: ['%Y/%m/%d %H:%M', '%d.%m.%Y'], zone: 'Europe/Berlin' },
  { type: 'TIMESTAMP', path: '$.v', format: '%d %b %Y %I:%M:%S.%f %p %z' },
  { type: 'TIMESTAMP', path: '$.v', format: ['%Y%m%d', '%Y.%m%d'] },
  { type: 'BOOLEAN[]', path: '$.v' },
  { type: 'INTEGER[]', path: '$.v' },
  { type: 'BIGINT[]', path: '$.v' },
  { type: 'DOUBLE[]', path: '$.v' },
  { type: 'VARCHAR[]', path: '$.v' },
  { type: 'VARCHAR[]', path: '$.v[*].x' },
  { type: 'INTEGER[]', path: '$.v[*].x' },
]

export const titleOf = ({ type, path, unit, format }: ColumnDefinition) =>
  `${type} ${path} ${unit ?? format ?? ''}`.trim()
