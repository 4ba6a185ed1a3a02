/** Numbers in texts: with a decimal point, where commas separate thousands, or with a decimal comma, where points do. */
import { isIPv4 } from 'node:net'

/** the sign before the fraction */
export type Notation = 'point' | 'comma'

const NUMBERS: Readonly<Record<Notation, RegExp>> = {
  // the last alternative is that of India: 12,34,567
  point: /^[+-]?(?:\d{1,38}|[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d\d)+,\d{3})(?:\.\d{1,38})?$/,
  comma: /^[+-]?(?:\d{1,38}|[1-9]\d{0,2}(?:\.\d{3})+)(?:,\d{1,38})?$/,
}

/** Whether the text is a number in this notation. An IP address is none. */
export function isNumeral(text: string, notation: Notation): boolean {
  return NUMBERS[notation].test(text) && !(notation === 'comma' && isIPv4(text))
}

/** @example plainNumber('1.234,5', 'comma') // '1234.5'. @returns null if the text is not a number in this notation */
export function plainNumber(text: string, notation: Notation): string | null {
  if (!isNumeral(text, notation)) return null
  return notation === 'point' ? text.replaceAll(',', '') : text.replaceAll('.', '').replace(',', '.')
}

/** Whether the text is a number that has a separator. */
export function isSeparated(text: string): boolean {
  return /[.,]/.test(text) && (isNumeral(text, 'point') || isNumeral(text, 'comma'))
}
