/** How large numbers are, how many digits they have, and whether doubles keep these. */

import { DOUBLE_DIGITS } from '../number-digits.ts'

export interface NumberRange {
  lowest: number
  highest: number
  /** the most digits before and after the point, of numbers without an exponent */
  digits: number
  scale: number
  /** some have an exponent, as those of programs that compute with doubles */
  isExponential: boolean
  /** some are texts, which a column reads digit by digit */
  hasTexts: boolean
  /** a double does not keep the digits of some texts */
  isLossy: boolean
  /** the most significant digits of a JSON number with a fraction */
  fractionDigits: number
}

export function emptyRange(): NumberRange {
  return {
    ...{ lowest: Number.POSITIVE_INFINITY, highest: Number.NEGATIVE_INFINITY, digits: 0, scale: 0 },
    ...{ isExponential: false, hasTexts: false, isLossy: false, fractionDigits: 0 },
  }
}

/** @param value a JSON number, or the text of one with a decimal point */
export function widen(range: NumberRange, value: number | string): void {
  const number = Number(value)
  const text = Number.isInteger(value) ? BigInt(value).toString() : String(value)
  range.lowest = Math.min(range.lowest, number)
  range.highest = Math.max(range.highest, number)
  if (typeof value === 'string') {
    range.hasTexts = true
    range.isLossy ||= value.length > DOUBLE_DIGITS && significant(value) !== significant(String(number))
  } else if (!Number.isInteger(value)) range.fractionDigits = Math.max(range.fractionDigits, significant(text).length)
  if (/e/i.test(text)) range.isExponential = true
  else {
    const [whole, part = ''] = text.replace(/^[+-]/, '').split('.')
    range.digits = Math.max(range.digits, whole!.length)
    range.scale = Math.max(range.scale, part.length)
  }
}

/** @example significant('-0.0120e3') // '12' */
function significant(text: string): string {
  return text
    .replace(/e.*/i, '')
    .replace(/[-+.]/g, '')
    .replace(/^0+|0+$/g, '')
}

export function rangeOf(texts: readonly string[]): NumberRange {
  const range = emptyRange()
  for (const text of texts) widen(range, text)
  return range
}
