/** Conversions between types, with DuckDB's rounding and texts. */
import { decimalOf } from '../stored-value.ts'
import { Refused } from './refused.ts'
import { castText, inherited, raising, type TrinoValue, trinoText, trinoValue } from './trino-value.ts'
import type { Literal } from './typed-tree.ts'

/** Digits that every value of the type has at most. */
const INTEGER_DIGITS: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19 }
const INTEGER_BITS: Readonly<Record<string, number>> = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64 }
/** Digits of a decimal of which every one is exact as a double, if it is taken as a whole number. */
const DOUBLE_DIGITS = 15
/** Digits of a decimal that is an integer of 64 bits. DuckDB converts larger ones in more steps. */
const LONG_DIGITS = 18

export function isInteger(type: string): boolean {
  return type in INTEGER_DIGITS
}

/** Digits and scale of a decimal or integer type; null for other types. */
export function digitsOf(type: string): { readonly digits: number; readonly scale: number } | null {
  return isInteger(type) ? { digits: INTEGER_DIGITS[type]!, scale: 0 } : decimalOf(type)
}

/** The value as DuckDB converts it, explicitly or by itself. @throws Refused where Trino converts otherwise */
export function converted(value: TrinoValue, to: string): TrinoValue {
  if (value.literal !== null) {
    const literal = literalAs(value.literal, to)
    if (literal !== null) return literal
  }
  if (value.type === to) return value
  const sql = conversionSql(value, to)
  if (sql === null) throw new Refused(`${value.type} is not converted to ${to} in the same way`)
  const fails = mayFail(value.type, to)
  // Compared with a constant, a cast is left out.
  const isLeftOut = fails && digitsOf(value.type) !== null && digitsOf(to) !== null
  const losesError = isLeftOut || value.losesError === 'compared' ? 'compared' : null
  return { ...trinoValue(sql, to, inherited([value])), raises: value.raises || fails, losesError }
}

/** A literal of its own type. */
export function literalValue(literal: Literal, type: string): TrinoValue {
  const value = literalAs(literal, type)
  if (value === null) throw new Refused(`a literal of type ${type} has no translation`)
  return value
}

function conversionSql({ sql, type: from, notFinite }: TrinoValue, to: string): string | null {
  const [source, target] = [digitsOf(from), digitsOf(to)]
  if (to === 'VARCHAR') return notFinite ? null : textSql(sql, from)
  if (to === 'BOOLEAN') return isInteger(from) ? castText(sql, to) : null
  if (from === 'BOOLEAN') return isInteger(to) ? castText(sql, to) : null
  if (isInteger(from) && to === 'DOUBLE') return castText(sql, to)
  if (source !== null && to === 'DOUBLE') return doubleSql(sql, source)
  // Decimals round half away from zero on both engines.
  if (source !== null && target !== null) return castText(sql, to)
  if (from === 'DOUBLE' && isInteger(to)) return wholeSql(sql, to)
  if ((from === 'DATE' && to === 'TIMESTAMP') || (from === 'TIMESTAMP' && to === 'DATE')) return castText(sql, to)
  return null
}

/** DuckDB converts the whole part and the rest of larger decimals by themselves. */
function doubleSql(sql: string, { digits, scale }: { readonly digits: number; readonly scale: number }): string | null {
  const once = castText(sql, 'DOUBLE')
  if (digits <= DOUBLE_DIGITS || scale === 0) return digits <= LONG_DIGITS ? once : null
  if (digits > LONG_DIGITS) return null
  const [whole, type] = [`truncate(${sql})`, `DECIMAL(${digits},${scale})`]
  const parts = `${castText(whole, 'DOUBLE')} + ${castText(castText(`${sql} - ${whole}`, type), 'DOUBLE')}`
  return `(CASE WHEN abs(${sql}) <= DECIMAL '${decimalText(2n ** 53n, scale)}' THEN ${once} ELSE ${parts} END)`
}

/** DuckDB rounds half to even, after it has compared with the range: the half above the greatest number overflows to the smallest. */
function wholeSql(sql: string, to: string): string {
  const end = 2 ** (INTEGER_BITS[to]! - 1)
  const [low, high] = [(-end).toExponential(), end.toExponential()]
  const even = `CASE WHEN abs(${sql} - truncate(${sql})) = 0.5e0 THEN 2e0 * round(${sql} / 2e0) ELSE round(${sql}) END`
  const kept = castText(`CASE WHEN (${even}) >= ${high} THEN ${low} ELSE ${even} END`, to)
  return `(CASE WHEN ${sql} >= ${low} AND ${sql} < ${high} THEN ${kept} ELSE ${raising(sql, to)} END)`
}

function textSql(sql: string, from: string): string | null {
  const text = `CAST(${sql} AS varchar)`
  if (isInteger(from) || from === 'BOOLEAN' || from === 'DATE') return text
  if (from === 'JSON') return sql
  // DuckDB writes no zeros at the end of a fraction.
  if (from === 'TIMESTAMP') return `regexp_replace(${text}, '\\.?0+$', '')`
  const decimal = decimalOf(from)
  if (decimal === null) return null
  return decimal.digits > decimal.scale ? text : `regexp_replace(${text}, '^(-?)0\\.', '$1.')`
}

function mayFail(from: string, to: string): boolean {
  const [source, target] = [digitsOf(from), digitsOf(to)]
  if (target === null) return false
  if (from === 'BOOLEAN') return false
  if (source === null) return true
  return target.digits - target.scale < source.digits - source.scale + (source.scale > target.scale ? 1 : 0)
}

const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?Z?)?$/

/**
 * The literal that results is what the value is now, which a further conversion starts from.
 *
 * @returns null where the value is not a literal of that type; it is then cast like any other value
 */
function literalAs(literal: Literal, to: string): TrinoValue | null {
  if (literal.kind === 'null') return trinoValue(castText('NULL', to), to, { literal })
  if (literal.kind === 'boolean') return to === 'BOOLEAN' ? booleanLiteral(literal.value) : null
  if (literal.kind === 'double') return to === 'DOUBLE' ? doubleLiteral(literal.value) : null
  if (literal.kind === 'number') return numberLiteral(literal, to)
  if (to === 'VARCHAR') return trinoValue(trinoText(literal.value), to, { literal })
  if (to === 'BOOLEAN' && /^(t|f|true|false)$/i.test(literal.value)) return booleanLiteral(/^t/i.test(literal.value))
  const number = /^(-?)(\d+)(?:\.(\d+))?$/.exec(literal.value)
  if (number !== null && (digitsOf(to) !== null || to === 'DOUBLE')) {
    const [, sign, whole, fraction = ''] = number
    return numberLiteral({ kind: 'number', digits: BigInt(`${sign}${whole}${fraction}`), scale: fraction.length }, to)
  }
  if (to === 'DOUBLE' && literal.value === 'nan') return doubleLiteral(Number.NaN)
  if (to === 'DATE' || to === 'TIMESTAMP') return timeLiteral(literal.value, to)
  throw new Refused(`the text ${trinoText(literal.value)} is not read as ${to} in the same way`)
}

function timeLiteral(text: string, to: 'DATE' | 'TIMESTAMP'): TrinoValue {
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = ''] = TIME.exec(text) ?? []
  const date = `${year}-${month}-${day}`
  const iso = `${date}T${hour}:${minute}:${second}Z`
  if (year === undefined || year === '0000' || new Date(iso).toJSON()?.slice(0, 19) !== iso.slice(0, 19))
    throw new Refused(`the text ${trinoText(text)} is not read as ${to} in the same way; write for example 2026-01-31`)
  if (to === 'DATE') return trinoValue(`DATE '${date}'`, to)
  const time = `${hour}:${minute}:${second}.${fraction.padEnd(6, '0')}`
  return trinoValue(`TIMESTAMP '${date} ${time}'`, to)
}

function numberLiteral(literal: Extract<Literal, { kind: 'number' }>, to: string): TrinoValue | null {
  const { digits, scale } = literal
  const text = decimalText(digits, scale)
  if (to === 'DOUBLE') {
    // Both parts are exact as doubles, so that their quotient is rounded once.
    if (digits > 2n ** 53n || digits < -(2n ** 53n) || scale > 22)
      throw new Refused(`${text} is not read as a DOUBLE in the same way; write it with an exponent`)
    return doubleLiteral(Number(digits) / 10 ** scale)
  }
  const own = `DECIMAL(${Math.max(text.replace(/[-.]/g, '').length, scale + 1)},${scale})`
  const raises = mayFail(own, to) || (isInteger(to) && BigInt.asIntN(INTEGER_BITS[to]!, digits) !== digits)
  const places = isInteger(to) ? 0 : (decimalOf(to)?.scale ?? -1)
  // One that may fail, or is rounded, is a value like any other from here on.
  const kept: Literal | null =
    raises || places < scale ? null : { kind: 'number', digits: digits * 10n ** BigInt(places - scale), scale: places }
  if (isInteger(to) && scale === 0) return trinoValue(castText(text, to), to, { literal: kept, raises })
  if (decimalOf(to) !== null) return trinoValue(castText(`DECIMAL '${text}'`, to), to, { literal: kept, raises })
  if (to === 'VARCHAR') return trinoValue(trinoText(text), to)
  return null
}

function booleanLiteral(value: boolean): TrinoValue {
  return trinoValue(String(value), 'BOOLEAN', { literal: { kind: 'boolean', value } })
}

function doubleLiteral(value: number): TrinoValue {
  if (!Number.isFinite(value)) return trinoValue('nan()', 'DOUBLE', { notFinite: true, notNumber: true })
  const sql = Object.is(value, -0) ? '(-0e0)' : value.toExponential()
  return trinoValue(sql, 'DOUBLE', { literal: { kind: 'double', value } })
}

function decimalText(digits: bigint, scale: number): string {
  const text = String(digits < 0n ? -digits : digits).padStart(scale + 1, '0')
  const point = scale === 0 ? '' : `.${text.slice(-scale)}`
  return `${digits < 0n ? '-' : ''}${text.slice(0, text.length - scale)}${point}`
}
