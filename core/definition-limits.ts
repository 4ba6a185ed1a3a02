/** Limits of a definition, and the hash that identifies it. */
import { createHash } from 'node:crypto'
import type { ColumnDefinition, DatasetDefinition } from './definition.ts'

export const DEFINITION_LIMITS = {
  columnsMax: 256,
  viewsMax: 64,
  dimensionsMax: 16,
  measuresMax: 64,
  /** characters of an SQL expression */
  expressionCharsMax: 4_096,
  /** values of a column that have a name */
  namedValuesMax: 1_000,
  /** characters of a unit, or of the name of a value */
  namedCharsMax: 200,
  /** formats of a TIMESTAMP */
  formatsMax: 8,
  /** characters of a JSON path */
  pathCharsMax: 1_024,
  /** rows of a ranking */
  rankMax: 10_000,
  seriesMax: 64,
  groupingsMax: 64,
  /** panels of a dataset's dashboard */
  panelsMax: 64,
  /** rows that a column of a series looks back over; smoothed averages look back over 20 or 40 times as many */
  seriesRowsMax: 500,
  /** earlier times that `usual` takes the mean of */
  usualTimesMax: 52,
  /** digits of a DECIMAL that is summed: 10^10 of the largest values fit into the 38 digits of a sum */
  sumDigitsMax: 28,
  /** bytes of a dimension's value; an event with a larger one is unusable */
  dimensionBytesMax: 8_192,
  /** the same for a text or list that `first`, `latest`, `min`, `max`, `maxBy` or `minBy` keeps */
  measureBytesMax: 65_536,
} as const

/** Names of datasets, columns, views, dimensions and measures. */
export const NAME = /^[a-z][a-z0-9_]{0,62}$/

/** sha-256 of a value's JSON, 16 hex digits */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16)
}

/** The options of a column that determine its stored values, in a fixed order: labels and the order of the options do not matter. */
export function storedColumn(column: ColumnDefinition): Readonly<Record<string, unknown>> {
  const { type, path, as, required, default: absent, unit, format, zone, onError } = column
  return {
    type,
    path,
    required: required ?? false,
    default: absent,
    unit: type === 'TIMESTAMP' ? (unit ?? 'iso') : undefined,
    onError: onError === 'reject' ? onError : undefined,
    format: typeof format === 'string' ? [format] : format,
    zone: zone === 'UTC' ? undefined : zone,
    as: as?.trim(),
  }
}

/** The accepted times in the same way; nothing where the definition states none. */
export function storedAccept({ accept }: DatasetDefinition): unknown[] {
  return accept === undefined ? [] : [{ from: accept.from, until: accept.until }]
}
