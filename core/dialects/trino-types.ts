/** How Trino names the types that a definition's values have. */
import { decimalOf } from '../stored-value.ts'

const NAMES: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'tinyint',
  SMALLINT: 'smallint',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  DOUBLE: 'double',
  VARCHAR: 'varchar',
  // Stored as text.
  JSON: 'varchar',
  DATE: 'date',
  TIMESTAMP: 'timestamp(6)',
}

/**
 * Trino's type for a type of DuckDB; null where it has none.
 *
 * ```ts
 * trinoType('TIMESTAMP') // 'timestamp(6)'
 * trinoType('DECIMAL(9,2)[]') // 'array(decimal(9,2))'
 * trinoType('UBIGINT') // null
 * ```
 */
export function trinoType(type: string): string | null {
  if (type.endsWith('[]')) {
    const element = trinoType(type.slice(0, -2))
    return element && `array(${element})`
  }
  const decimal = decimalOf(type)
  if (decimal !== null) return `decimal(${decimal.digits},${decimal.scale})`
  return NAMES[type] ?? null
}
