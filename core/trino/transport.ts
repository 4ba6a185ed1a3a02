/** How values travel from Trino to DuckDB: as JSON, with every digit. */
import { trinoType } from '../dialects/trino-types.ts'

/** Types whose JSON number or text is the value itself. */
const AS_IS: ReadonlySet<string> = new Set([
  ...(['BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER'] as const),
  ...(['DOUBLE', 'VARCHAR'] as const),
])

/**
 * Trino's SQL: the value as it travels. Doubles are JSON numbers with 17 digits at most, which both engines read back to the same double; what could
 * have more digits is text.
 *
 * @param type DuckDB's
 * @example sentSql('"n"', 'BIGINT') // 'CAST("n" AS varchar)'
 */
export function sentSql(sql: string, type: string): string {
  if (type.endsWith('[]')) return AS_IS.has(type.slice(0, -2)) ? sql : `CAST(${sql} AS array(varchar))`
  return AS_IS.has(type) ? sql : `CAST(${sql} AS varchar)`
}

/** DuckDB's type for what travelled, before `receivedSql`. */
export function receivedType(type: string): string {
  return type.endsWith('[]') ? 'VARCHAR[]' : 'VARCHAR'
}

/** DuckDB's SQL: the value that travelled in `column`. */
export function receivedSql(column: string, type: string): string {
  return type === receivedType(type) ? column : `${column}::${type}`
}

/**
 * Trino's SQL: a value in the one form in which it is stored (core/stored-value.ts). No year is beyond 9999, and no double infinite, NaN or -0.
 *
 * @param type the stored type
 */
export function storedSql(sql: string, type: string): string {
  switch (type) {
    case 'DOUBLE':
      return `(CASE WHEN is_finite(${sql}) THEN CAST(${sql} AS double) + 0e0 END)`
    case 'DOUBLE[]':
      return `transform(${sql}, _x -> CASE WHEN is_finite(_x) THEN CAST(_x AS double) + 0e0 END)`
    case 'DATE':
      return `(CASE WHEN ${sql} BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN ${sql} END)`
    case 'TIMESTAMP':
      return `(CASE WHEN ${sql} BETWEEN TIMESTAMP '0001-01-01 00:00:00' AND TIMESTAMP '9999-12-31 23:59:59.999999' THEN ${sql} END)`
    default:
      return sql
  }
}

/** Why values of a type cannot be computed there; null if they can. */
export function whyNoType(type: string): string | null {
  return trinoType(type) === null ? `Trino has no type for ${type}` : null
}
