/**
 * JSON encoding of values in answers (docs/reference/http.md): integers and decimals with all of their digits, doubles as
 * the shortest text that parses to the same double, times as ISO 8601 in UTC, null for missing values, NaN and infinities.
 */
import type { SqlColumn } from '#core/compiled.ts'
import { quoteName } from '#core/sql-names.ts'

const TO_SECONDS = '%Y-%m-%dT%H:%M:%S'

/** SQL expression that json_object writes by these rules. */
export function jsonValueSql({ name, type }: SqlColumn): string {
  return jsonSqlOf(quoteName(name), type)
}

/** The same of any expression. */
export function jsonSqlOf(value: string, type: string): string {
  return type.endsWith('[]') ? listSql(value, type.slice(0, -2)) : scalarSql(value, type)
}

/** ISO 8601 text of a TIMESTAMP: milliseconds, and microseconds only where there are some. */
export function isoSql(timestamp: string): string {
  return `CASE WHEN epoch_us(${timestamp}) % 1000 = 0 THEN strftime(${timestamp}, '${TO_SECONDS}.%gZ') ELSE strftime(${timestamp}, '${TO_SECONDS}.%fZ') END`
}

function scalarSql(value: string, type: string): string {
  switch (type) {
    case 'TIMESTAMP':
      return isoSql(value)
    case 'TIMESTAMP WITH TIME ZONE':
      return isoSql(`timezone('UTC', ${value})`)
    case 'DOUBLE':
      return `CASE WHEN isfinite(${value}) THEN ${value} END`
    case 'FLOAT':
      return `CASE WHEN isfinite(${value}) THEN ${value}::VARCHAR::DOUBLE END`
    default:
      return value
  }
}

function listSql(list: string, element: string): string {
  const value = scalarSql('e', element)
  return value === 'e' ? list : `list_transform(${list}, lambda e: ${value})`
}
