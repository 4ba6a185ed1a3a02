/** Times as ISO texts, read from bytes: the form that nearly all have, without a text or a regular expression for each. */
import { TIME_MS_MAX, TIME_MS_MIN } from './stored-value.ts'

const [PLUS, MINUS, DOT, COLON, SPACE, ZERO] = [0x2b, 0x2d, 0x2e, 0x3a, 0x20, 0x30]
const [LETTER_T, LETTER_Z] = [0x54, 0x5a]
const DAY_MS = 86_400_000
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
const SECONDS_END = 19
const FRACTION_DIGITS_MAX = 9
const OFFSET_HOURS_MAX = 15

/**
 * The millisecond of `2026-01-31T12:00:00`, with a space in place of the T, a fraction and `Z` or an offset, if it has them.
 * @returns epoch ms; NaN if the text in [from, end) has another form, or is not a time: `timeMs` tells
 */
export function isoTimeMsAt(bytes: Buffer, from: number, end: number): number {
  if (end - from < SECONDS_END) return Number.NaN
  const separator = bytes[from + 10]
  const isDivided =
    bytes[from + 4] === MINUS &&
    bytes[from + 7] === MINUS &&
    (separator === LETTER_T || separator === SPACE) &&
    bytes[from + 13] === COLON &&
    bytes[from + 16] === COLON
  if (!isDivided) return Number.NaN
  const day = dayAt(bytes, from)
  const hours = two(bytes, from + 11)
  const minutes = two(bytes, from + 14)
  const seconds = two(bytes, from + 17)
  if (!(hours <= 23 && minutes <= 59 && seconds <= 59)) return Number.NaN
  let at = from + SECONDS_END
  let fractionMs = 0
  if (at < end && bytes[at] === DOT) {
    const first = at + 1
    for (at = first; at < end && isDigit(bytes[at]!); at++)
      if (at < first + 3) fractionMs += (bytes[at]! - ZERO) * FRACTION_MS[at - first]!
    if (at === first || at - first > FRACTION_DIGITS_MAX) return Number.NaN
  }
  const ms = day * DAY_MS + ((hours * 60 + minutes - offsetAt(bytes, at, end)) * 60 + seconds) * 1_000
  return ms >= TIME_MS_MIN && ms <= TIME_MS_MAX ? ms + fractionMs : Number.NaN
}

const FRACTION_MS = [100, 10, 1]

/** Days since 1970 (https://howardhinnant.github.io/date_algorithms.html); NaN if the calendar has no such day in the years 1 to 9999. */
function dayAt(bytes: Buffer, from: number): number {
  const year = two(bytes, from) * 100 + two(bytes, from + 2)
  const month = two(bytes, from + 5)
  const day = two(bytes, from + 8)
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
  if (day > MONTH_DAYS[month - 1]! + (month === 2 && isLeap ? 1 : 0)) return Number.NaN
  const shifted = month > 2 ? year : year - 1
  const era = Math.floor(shifted / 400)
  const ofEra = shifted - era * 400
  const ofYear = (((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) | 0) + day - 1
  return era * 146_097 + ofEra * 365 + (ofEra >> 2) - ((ofEra / 100) | 0) + ofYear - 719_468
}

/** Minutes of `Z`, `+02`, `+02:00` or `+0200` up to the end, 0 of nothing; NaN for anything else. */
function offsetAt(bytes: Buffer, at: number, end: number): number {
  if (at === end || (bytes[at] === LETTER_Z && end === at + 1)) return 0
  const sign = bytes[at] === PLUS ? 1 : bytes[at] === MINUS ? -1 : Number.NaN
  const length = end - at
  if (length !== 3 && length !== 5 && !(length === 6 && bytes[at + 3] === COLON)) return Number.NaN
  const hours = two(bytes, at + 1)
  const minutes = length === 3 ? 0 : two(bytes, end - 2)
  return hours <= OFFSET_HOURS_MAX && minutes <= 59 ? sign * (hours * 60 + minutes) : Number.NaN
}

/** The number of two digits; NaN if they are none. */
function two(bytes: Buffer, at: number): number {
  const [tens, ones] = [bytes[at]! - ZERO, bytes[at + 1]! - ZERO]
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= ZERO + 9
}
