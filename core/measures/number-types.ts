/** Which types are numbers, and the types that hold their sums. */
import { decimalOf } from '../stored-value.ts'

const NUMERIC = /^(U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|U?HUGEINT|FLOAT|DOUBLE|DECIMAL\(.*\))$/

export function isNumeric(type: string): boolean {
  return NUMERIC.test(type)
}

/** Whether every value of the type is a whole number. */
export function isWhole(type: string): boolean {
  return /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type) || decimalOf(type)?.scale === 0
}

/** A type that holds the sum exactly (2^32 INTEGERs fit a BIGINT, 10^19 BIGINTs a DECIMAL(38,0)); DOUBLE where none does. */
export function sumType(type: string): string {
  if (/^(U?TINYINT|U?SMALLINT|U?INTEGER|BOOLEAN)$/.test(type)) return 'BIGINT'
  if (/^(U?BIGINT|U?HUGEINT)$/.test(type)) return 'DECIMAL(38,0)'
  const decimal = decimalOf(type)
  return decimal ? `DECIMAL(38,${decimal.scale})` : 'DOUBLE'
}
