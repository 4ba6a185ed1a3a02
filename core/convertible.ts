/**
 * Whether the engine converts a JSON value to a column's type: usable-value.ts without its margins, which it has because it also decides
 * on keys and required columns. core/conversion-failures.test.ts compares it with the engine; the few texts of which the engine reads more
 * are listed in docs/reference/definitions.md.
 */

import { halfToEven, hasDigits, hasDouble, hasExponentText, unitsOf } from './decimal-values.ts'
import type { ColumnDefinition } from './definition.ts'
import { decimalOf } from './stored-value.ts'
import { isUsable } from './usable-value.ts'

/** A number in a string: sign, digits, fraction, exponent. */
const NUMBER_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/
/** Integers of JSON in this range are read with all their digits, others as text. */
const [INTEGER_MIN, INTEGER_END] = [-(2n ** 63n), 2n ** 64n]

/** @param literal the number as it is written in the JSON, if the value is one */
export function converts(value: unknown, column: ColumnDefinition, literal: () => string): boolean {
  if (isUsable(value, column)) return true
  if (typeof value === 'string') return textConverts(value, column)
  return typeof value === 'number' && numberConverts(value, column, literal())
}

function textConverts(value: string, column: ColumnDefinition): boolean {
  const text = value.replace(/^[ \t-\r]+|[ \t-\r]+$/g, '')
  const match = NUMBER_TEXT.exec(text)
  if (match === null || `${match[2]}${match[3] ?? ''}` === '') return false
  if (column.type === 'DOUBLE') return Number.isFinite(Number(text))
  const decimal = decimalOf(column.type)
  if (match[4] !== undefined) return decimal !== null && hasExponentText(Number(text), decimal)
  if (column.type === 'INTEGER' || column.type === 'BIGINT') return isWithin(roundedText(match, 0), column.type)
  if (column.type === 'TIMESTAMP' && column.unit !== undefined && column.unit !== 'iso')
    return isUsable(Number(roundedText(match, 0)), column)
  return decimal !== null && hasDigits(roundedText(match, decimal.scale), decimal.digits)
}

function numberConverts(value: number, { type }: ColumnDefinition, literal: string): boolean {
  const whole = /^-?\d+$/.test(literal) ? BigInt(literal) : null
  const isText = whole !== null && (whole < INTEGER_MIN || whole >= INTEGER_END)
  if (type === 'BOOLEAN') return !isText && Number.isFinite(value)
  if (type === 'INTEGER' || type === 'BIGINT') {
    if (whole !== null) return isWithin(whole, type)
    return value >= -(2 ** 63) && value < 2 ** 63 && isWithin(halfToEven(value), type)
  }
  const decimal = decimalOf(type)
  if (decimal === null) return false
  if (whole !== null) return hasDigits(whole * 10n ** BigInt(decimal.scale), decimal.digits)
  return hasDouble(value, decimal)
}

function isWithin(whole: bigint, type: 'INTEGER' | 'BIGINT'): boolean {
  const bits = type === 'INTEGER' ? 31n : 63n
  return whole >= -(2n ** bits) && whole < 2n ** bits
}

/** The number in units of 10^-scale, rounded half away from zero. */
function roundedText([, sign, whole = '', fraction = '']: RegExpExecArray, scale: number): bigint {
  const size = unitsOf(whole, fraction, scale)
  return sign === '-' ? -size : size
}
