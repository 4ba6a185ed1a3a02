/** The types of columns, and the JSON encodings of times. */
import { decimalOf } from './stored-value.ts'

export const SCALAR_TYPES = ['BOOLEAN', 'INTEGER', 'BIGINT', 'DOUBLE', 'VARCHAR', 'TIMESTAMP', 'DATE', 'JSON'] as const
export const LIST_TYPES = ['BOOLEAN[]', 'INTEGER[]', 'BIGINT[]', 'DOUBLE[]', 'VARCHAR[]'] as const
/** Types whose equal values have one text, so that all events of a key go to one partition. */
export const KEY_TYPES = ['BOOLEAN', 'INTEGER', 'BIGINT', 'VARCHAR', 'DATE'] as const
/** Numbers since 1970 in seconds, milliseconds or microseconds, or ISO 8601 text. */
export const TIME_UNITS = ['s', 'ms', 'us', 'iso'] as const

/** How a TIMESTAMP column's values are written. @throws RangeError for a unit that a checked definition cannot have */
export function timeUnitOf({ unit = 'iso' }: { readonly unit?: string | undefined }): (typeof TIME_UNITS)[number] {
  if (!isTimeUnit(unit))
    throw new RangeError(`'${unit}' is not a valid unit for a TIMESTAMP; use one of ${TIME_UNITS.join(', ')}`)
  return unit
}

export function isTimeUnit(text: string): text is (typeof TIME_UNITS)[number] {
  return TIME_UNITS.some((unit) => unit === text)
}

/** What becomes of an event whose value cannot be converted. */
export const ON_ERROR = ['null', 'reject'] as const
/** Whether the JSON of events is kept in the lake. */
export const TABLES = ['none', 'delta'] as const
export const RAW = ['keep', 'drop'] as const
const DECIMAL_DIGITS_MAX = 38

export function isColumnType(text: string): boolean {
  const decimal = decimalOf(text)
  if (decimal) return decimal.digits >= 1 && decimal.digits <= DECIMAL_DIGITS_MAX && decimal.scale <= decimal.digits
  return [...SCALAR_TYPES, ...LIST_TYPES].some((type) => type === text)
}
