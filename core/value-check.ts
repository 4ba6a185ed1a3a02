/** Whether a JSON value in bytes is certainly usable for a column, without making a value of it where its characters tell. */
import { type AcceptedTimes, isAccepted } from './accepted-times.ts'
import { timeUnitOf } from './column-types.ts'
import type { ReadColumn, TimeUnit } from './definition-parts.ts'
import { isoTimeMsAt } from './iso-time.ts'
import { digitsEnd, QUOTE } from './json-tokens.ts'
import { columnTimeMs, keyText, timeMs, whyUnusable } from './usable-value.ts'

const [PLUS, MINUS, DOT, ZERO, BACKSLASH, LETTER_E, LETTER_N] = [0x2b, 0x2d, 0x2e, 0x30, 0x5c, 0x65, 0x6e]
const [OPEN_LIST, OPEN_OBJECT] = [0x5b, 0x7b]

/** whole numbers of up to this many digits are exact as doubles */
const DIGITS_MAX = 15
/** a number of so many characters without an exponent, true and false are finite doubles */
const DOUBLE_CHARS_MAX = 32
const INTEGER_END = 2 ** 31
const NOT_WHOLE = -1

/** A column that the check depends on. */
export interface CheckedColumn {
  readonly column: ReadColumn
  /** the event is rejected without a usable value */
  readonly needed: boolean
  readonly key: boolean
  /** of the event time: which times are usable */
  readonly accepted: AcceptedTimes | null
  /** a longer text of the value is left to the full check; default: any length */
  readonly bytesMax?: number
}

export class ValueCheck {
  readonly needed: boolean
  readonly key: boolean
  /** which values are usable whatever they contain */
  readonly takes: 'anything' | 'lists' | 'nothing'
  readonly bytesMax: number
  readonly #column: ReadColumn
  readonly #accepted: AcceptedTimes | null
  readonly #unit: TimeUnit
  readonly #isIsoTime: boolean
  /** what digits alone decide */
  readonly #digits: 'whole' | 'time' | 'number' | null

  constructor({ column, needed, key, accepted, bytesMax = Number.POSITIVE_INFINITY }: CheckedColumn) {
    const { type } = column
    this.#column = column
    this.needed = needed
    this.key = key
    this.#accepted = accepted
    this.bytesMax = bytesMax
    this.takes = type.endsWith('[]') ? 'lists' : !key && isText(type) ? 'anything' : 'nothing'
    this.#digits = digitsDecide(column)
    this.#isIsoTime = type === 'TIMESTAMP' && column.format === undefined && timeUnitOf(column) === 'iso'
    this.#unit = type === 'TIMESTAMP' && column.format === undefined ? timeUnitOf(column) : 'iso'
  }

  /** Whether the value in [at, end) is certainly usable, or null where it may be. */
  isUsable(bytes: Buffer, at: number, end: number, arrivalMs: number): boolean {
    const first = bytes[at]!
    if (first === LETTER_N) return !this.needed
    if (end - at > this.bytesMax) return false
    if (this.takes === 'anything') return true
    if (this.takes === 'lists') return first === OPEN_LIST
    if (first === OPEN_OBJECT || first === OPEN_LIST) return false
    return this.#isScalarUsable(bytes, at, end, arrivalMs)
  }

  #isScalarUsable(bytes: Buffer, at: number, end: number, arrivalMs: number): boolean {
    const isQuoted = bytes[at] === QUOTE
    const [from, to] = isQuoted ? [at + 1, end - 1] : [at, end]
    if (this.#digits === 'number') {
      if (isQuoted ? isDecimalText(bytes, from, to) : isShortNumber(bytes, from, to)) return true
    } else if (this.#digits !== null) {
      const whole = wholeAt(bytes, from, to)
      if (whole !== NOT_WHOLE) return this.#isWholeUsable(whole, arrivalMs)
    }
    if (this.#isIsoTime && isQuoted) {
      const ms = isoTimeMsAt(bytes, from, to)
      if (!Number.isNaN(ms)) return this.#accepted === null || isAccepted(this.#accepted, ms, arrivalMs)
    }
    const value = scalarAt(bytes, at, end)
    if (this.#accepted === null) return whyUnusable(value, this.#column) === null
    const ms = columnTimeMs(value, this.#column)
    return ms !== null && isAccepted(this.#accepted, ms, arrivalMs)
  }

  #isWholeUsable(whole: number, arrivalMs: number): boolean {
    if (this.#digits === 'whole') return this.#column.type === 'BIGINT' || whole < INTEGER_END
    const ms = timeMs(whole, this.#unit)
    return ms !== null && (this.#accepted === null || isAccepted(this.#accepted, ms, arrivalMs))
  }
}

/** Any JSON value is usable. */
export function isText(type: string): boolean {
  return type === 'VARCHAR' || type === 'JSON'
}

/** What `keyText` makes of the value in [at, end), which is usable or null. */
export function keyTextAt(bytes: Buffer, at: number, end: number, column: ReadColumn): string {
  if (bytes[at] === LETTER_N) return keyText(undefined, column)
  if (column.type === 'BIGINT' || column.type === 'INTEGER') {
    const isQuoted = bytes[at] === QUOTE
    const whole = isQuoted ? wholeAt(bytes, at + 1, end - 1) : wholeAt(bytes, at, end)
    if (whole !== NOT_WHOLE) return String(whole)
  }
  return keyText(scalarAt(bytes, at, end), column)
}

/** What JSON.parse makes of [at, end). */
function scalarAt(bytes: Buffer, at: number, end: number): unknown {
  const whole = wholeAt(bytes, at, end)
  if (whole !== NOT_WHOLE) return whole
  // JSON.parse looks each text up among all that the program has.
  if (bytes[at] === QUOTE && isPlain(bytes, at, end)) return bytes.toString('utf8', at + 1, end - 1)
  return JSON.parse(bytes.toString('utf8', at, end))
}

/** Whether a text has no escapes. */
function isPlain(bytes: Buffer, at: number, end: number): boolean {
  for (let place = at; place < end; place++) if (bytes[place] === BACKSLASH) return false
  return true
}

/** Digits mean the same in a number and in a text for these. */
function digitsDecide(column: ReadColumn): 'whole' | 'time' | 'number' | null {
  const { type, format } = column
  if (type === 'BIGINT' || type === 'INTEGER') return 'whole'
  if (type === 'DOUBLE') return 'number'
  return type === 'TIMESTAMP' && format === undefined && timeUnitOf(column) !== 'iso' ? 'time' : null
}

/** The number that a few digits are; NOT_WHOLE: it is anything else. */
function wholeAt(bytes: Buffer, at: number, end: number): number {
  if (end - at > DIGITS_MAX || at >= end) return NOT_WHOLE
  let number = 0
  for (let place = at; place < end; place++) {
    const digit = bytes[place]! - ZERO
    if (digit < 0 || digit > 9) return NOT_WHOLE
    number = number * 10 + digit
  }
  return number
}

/** A JSON number that is short and has no exponent. */
function isShortNumber(bytes: Buffer, at: number, end: number): boolean {
  if (end - at > DOUBLE_CHARS_MAX) return false
  for (let place = at; place < end; place++) if ((bytes[place]! | 0x20) === LETTER_E) return false
  return true
}

/** Digits, maybe with a sign and a fraction. */
function isDecimalText(bytes: Buffer, from: number, end: number): boolean {
  if (end - from > DOUBLE_CHARS_MAX) return false
  const sign = bytes[from]
  const whole = from < end && (sign === MINUS || sign === PLUS) ? from + 1 : from
  let at = digitsEnd(bytes, whole, end)
  if (at === whole) return false
  if (at < end && bytes[at] === DOT) {
    const fraction = at + 1
    at = digitsEnd(bytes, fraction, end)
    if (at === fraction) return false
  }
  return at === end
}
