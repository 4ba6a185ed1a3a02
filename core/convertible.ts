/**
 * Whether the engine converts a JSON value to a column's type: usable-value.ts without its margins, which it has because it also decides
 * on keys and required columns. core/conversion-failures.test.ts compares it with the engine; the few texts of which the engine reads more
 * are listed in docs/reference/definitions.md.
 */
import type { ColumnDefinition } from './definition.ts'
import { decimalOf } from './stored-value.ts'
import { isUsable } from './usable-value.ts'

/** A number in a string: sign, digits, fraction, exponent. */
const NUMBER_TEXT = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/
/** Decimal digits that a double preserves: a number that needs more is read as text, or not at all. */
const DOUBLE_DIGITS = 15
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
  if (match[4] !== undefined) return false
  if (column.type === 'INTEGER' || column.type === 'BIGINT') return isWithin(roundedText(match, 0), column.type)
  if (column.type === 'TIMESTAMP' && column.unit !== undefined && column.unit !== 'iso')
    return isUsable(Number(roundedText(match, 0)), column)
  const decimal = decimalOf(column.type)
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
  const { digits, scale } = decimal
  if (whole !== null) return hasDigits(whole * 10n ** BigInt(scale), digits)
  const isNarrow = digits <= DOUBLE_DIGITS && digits > scale
  if (!isNarrow && Math.abs(value) >= 10 ** (DOUBLE_DIGITS - scale)) return false
  return Math.abs(value) <= 10 ** (digits - scale) && hasDigits(halfToEven(value * 10 ** scale), digits)
}

function isWithin(whole: bigint, type: 'INTEGER' | 'BIGINT'): boolean {
  const bits = type === 'INTEGER' ? 31n : 63n
  return whole >= -(2n ** bits) && whole < 2n ** bits
}

function hasDigits(units: bigint, digits: number): boolean {
  return (units < 0n ? -units : units) < 10n ** BigInt(digits)
}

function halfToEven(value: number): bigint {
  const below = Math.floor(value)
  if (value - below !== 0.5) return BigInt(Math.round(value))
  return BigInt(below % 2 === 0 ? below : below + 1)
}

/** The number in units of 10^-scale, rounded half away from zero. */
function roundedText([, sign, whole, fraction = '']: RegExpExecArray, scale: number): bigint {
  const digits = BigInt(`${whole}${fraction}`)
  const shift = BigInt(Math.abs(scale - fraction.length))
  const unit = 10n ** shift
  const size = scale >= fraction.length ? digits * unit : (digits * 2n + unit) / (2n * unit)
  return sign === '-' ? -size : size
}
