/**
 * Timestamps, dates and decimals of Arrow, written as bytes with ordinary numbers: 64 bits are divided in steps of 16. The JSON is that of
 * arrow-times.ts, byte by byte.
 */
import type { Data, Decimal, Timestamp } from 'apache-arrow'
import { DOUBLE_DIGITS } from '../number-digits.ts'
import { digitsOf } from './arrow-json.ts'
import { DATE_RANGE } from './arrow-times.ts'
import { type JsonOutput, POWERS, type Writer } from './json-output.ts'

const [QUOTE, DASH, COLON, DOT, SPACE] = [0x22, 0x2d, 0x3a, 0x2e, 0x20]
const UTC = Buffer.from('+00')
const DAY_SECONDS = 86_400
/** 0001-01-01 to 9999-12-31 */
const [DAYS_MIN, DAYS_END] = [-719_162, 2_932_897]
const HALF = 2 ** 16
const HIGH = 2 ** 32

export function timestamps(data: Data): Writer {
  const { unit, timezone } = data.type as Timestamp
  const values = data.values as BigInt64Array
  const words = new Int32Array(values.buffer, values.byteOffset, 2 * values.length)
  const digits = digitsOf(unit)
  const perSecond = POWERS[digits]!
  return (output, index) => {
    const [high, low] = [words[2 * index + 1], words[2 * index]]
    if (high === undefined || low === undefined) throw new RangeError('its buffer ends before this value')
    const first = high * HALF + (low >>> 16)
    const firstSeconds = Math.floor(first / perSecond)
    const second = (first - firstSeconds * perSecond) * HALF + (low & 0xffff)
    const secondSeconds = Math.floor(second / perSecond)
    const seconds = firstSeconds * HALF + secondSeconds
    const days = Math.floor(seconds / DAY_SECONDS)
    output.byte(QUOTE)
    day(output, days)
    output.byte(SPACE)
    clock(output, seconds - days * DAY_SECONDS)
    fraction(output, second - secondSeconds * perSecond, digits)
    if (timezone) output.raw(UTC)
    output.byte(QUOTE)
  }
}

export function days({ values }: Data): Writer {
  return (output, index) => {
    const value = (values as Int32Array)[index]
    if (value === undefined) throw new RangeError('its buffer ends before this value')
    output.byte(QUOTE)
    day(output, value)
    output.byte(QUOTE)
  }
}

/** @param text writes a value that is large */
export function decimals(data: Data, text: Writer): Writer {
  const { scale, bitWidth } = data.type as Decimal
  const words = data.values as Uint32Array
  const count = bitWidth / 32
  if (scale < 0 || scale > DOUBLE_DIGITS) return text
  return (output, index) => {
    const [at, end] = [index * count, (index + 1) * count]
    const low = words[at]
    if (low === undefined || end > words.length) throw new RangeError('its buffer ends before this value')
    const high = count === 1 ? (low | 0) >> 31 : words[at + 1]! | 0
    for (let word = at + 2; word < end; word++) if ((words[word]! | 0) !== high >> 31) return text(output, index)
    const units = high * HIGH + (low >>> 0)
    // More digits than a double keeps are a text.
    if (Math.abs(units) >= POWERS[DOUBLE_DIGITS]!) text(output, index)
    else if (scale === 0) output.whole(units)
    else output.fraction(units, scale)
  }
}

/** The date of a day since 1970, by the proleptic Gregorian calendar (https://howardhinnant.github.io/date_algorithms.html). */
function day(output: JsonOutput, days: number): void {
  if (!(days >= DAYS_MIN && days < DAYS_END)) throw new RangeError(DATE_RANGE)
  const sinceMarch = days + 719_468
  const era = Math.floor(sinceMarch / 146_097)
  const ofEra = sinceMarch - era * 146_097
  const year = ((ofEra - ((ofEra / 1_460) | 0) + ((ofEra / 36_524) | 0) - ((ofEra / 146_096) | 0)) / 365) | 0
  const ofYear = ofEra - (365 * year + (year >> 2) - ((year / 100) | 0))
  const month = ((5 * ofYear + 2) / 153) | 0
  output.digits(year + era * 400 + (month < 10 ? 0 : 1), 4)
  output.byte(DASH)
  output.digits(month < 10 ? month + 3 : month - 9, 2)
  output.byte(DASH)
  output.digits(ofYear - (((153 * month + 2) / 5) | 0) + 1, 2)
}

function clock(output: JsonOutput, seconds: number): void {
  const minutes = (seconds / 60) | 0
  output.digits((minutes / 60) | 0, 2)
  output.byte(COLON)
  output.digits(minutes % 60, 2)
  output.byte(COLON)
  output.digits(seconds - 60 * minutes, 2)
}

/** Without zeros at its end. */
function fraction(output: JsonOutput, units: number, digits: number): void {
  if (units === 0) return
  let [rest, left] = [units, digits]
  for (; rest % 10 === 0; left--) rest /= 10
  output.byte(DOT)
  output.digits(rest, left)
}
