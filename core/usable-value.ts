/**
 * Predicts, without the engine, whether it can convert a JSON value to a column's type: for validation at ingest, for defaults, and for the
 * reason of a dead letter. Every value that this module accepts, the engine converts; the few that only the engine accepts are
 * listed in docs/reference/definitions.md. core/decode-agreement.test.ts compares the two.
 */
import { timeUnitOf } from './column-types.ts'
import { hasDouble } from './decimal-values.ts'
import type { ColumnDefinition, TimeUnit } from './definition.ts'
import { formatsOf, formattedTimeMs } from './formatted-time.ts'
import { decimalOf, TIME_MS_MAX, TIME_MS_MIN } from './stored-value.ts'

const WHOLE = /^[+-]?\d{1,18}$/
const NUMBER = /^[+-]?\d{1,38}(\.\d{1,38})?$/
const TRUTH = /^(true|t|yes|y|1|false|f|no|n|0)$/i
const DATE = /^\d{4}-\d\d-\d\d(?:[T ]|$)/
const TIME =
  /^(\d{4}-\d\d-\d\d)(?:[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(0\d|1[0-5])(?::?([0-5]\d))?)?)?$/
const UNIT_MS = { s: 1_000, ms: 1, us: 0.001 } as const
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/

/**
 * Why the value cannot be converted to the column's type, as the end of a sentence; null if the engine converts it.
 * @param sent gives the value's JSON as it was sent
 */
export function whyUnusable(
  value: unknown,
  column: ColumnDefinition,
  sent: () => string = () => JSON.stringify(value).slice(0, 80),
): string | null {
  if (value === undefined || value === null) return 'is required but missing'
  if (isUsable(value, column)) return null
  const shown = sent()
  if (column.type.endsWith('[]')) return `${shown} is not a list`
  return column.type === 'TIMESTAMP'
    ? `${shown} is not a valid time (${wantedTime(column)})`
    : `${shown} is not a valid ${column.type}`
}

/** How the column's times are written. */
export function wantedTime(column: Pick<ColumnDefinition, 'unit' | 'format'>): string {
  const formats = formatsOf(column)
  return `${formats.length === 0 ? (column.unit ?? 'iso') : formats.join(' or ')}, years 1 to 9999`
}

/** Why a column's default is not a value of its type, as the end of a sentence; null if it is one. */
export function whyDefaultUnusable(column: ColumnDefinition): string | null {
  const { type, default: value } = column
  if (Array.isArray(value) !== type.endsWith('[]')) return `${JSON.stringify(value)} is not a valid ${type}`
  // The element type of a list is also a column type.
  const element = { ...column, type: type.replace('[]', '') as ColumnDefinition['type'] }
  const wrong = (Array.isArray(value) ? value : [value]).find((item) => whyUnusable(item, element) !== null)
  return wrong === undefined ? null : whyUnusable(wrong, element)
}

/** Whether the value, which is neither undefined nor null, is valid for the column. */
export function isUsable(value: unknown, column: ColumnDefinition): boolean {
  switch (column.type) {
    case 'VARCHAR':
    case 'JSON':
      return true
    case 'BOOLEAN':
      return isTruth(value)
    case 'BIGINT':
      return isWhole(value, 2 ** 63)
    case 'INTEGER':
      return isWhole(value, 2 ** 31)
    case 'DOUBLE':
      return isNumber(value)
    case 'DATE':
      return typeof value === 'string' && DATE.test(value) && dayMs(value.slice(0, 10), 1) !== null
    case 'TIMESTAMP':
      return columnTimeMs(value, column) !== null
    default:
      return column.type.endsWith('[]') ? Array.isArray(value) : isDecimal(value, column.type)
  }
}

function isTruth(value: unknown): boolean {
  if (typeof value === 'number') return Math.abs(value) < 2 ** 63
  return typeof value === 'boolean' || (typeof value === 'string' && TRUTH.test(value))
}

/** Fractions are rounded. As doubles, ±2^63 are indistinguishable from their neighbours, so both count as out of range. */
function isWhole(value: unknown, limit: number): boolean {
  const fits = (whole: number): boolean => whole < limit - 0.5 && (whole > -limit || whole === -(2 ** 31))
  if (typeof value === 'boolean') return true
  if (typeof value === 'number') return fits(value)
  return typeof value === 'string' && WHOLE.test(trimmed(value)) && fits(Number(value))
}

/** Without the white space that the engine skips, too. */
function trimmed(text: string): string {
  return text.replace(/^[ \t-\r]+|[ \t-\r]+$/g, '')
}

function isNumber(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  return typeof value === 'boolean' || (typeof value === 'string' && NUMBER.test(trimmed(value)))
}

function isDecimal(value: unknown, type: string): boolean {
  const { digits, scale } = decimalOf(type)!
  const room = digits - scale
  if (typeof value === 'string') {
    const [, whole = '', fraction = ''] = /^[+-]?0*(\d*)(?:\.(\d+))?$/.exec(trimmed(value)) ?? []
    const full = /^9*$/.test(whole + fraction.slice(0, scale)) && whole.length === room
    return NUMBER.test(trimmed(value)) && whole.length <= room && !(full && fraction[scale]! >= '5')
  }
  if (typeof value !== 'number') return false
  // A larger integer may have lost digits as a double.
  return (Number.isSafeInteger(value) || !Number.isInteger(value)) && hasDouble(value, { digits, scale })
}

/** The millisecond that a column's time is in, since 1970; null if the engine does not convert the value. */
export function columnTimeMs(
  value: unknown,
  column: Pick<ColumnDefinition, 'unit' | 'format' | 'zone'>,
): number | null {
  return column.format === undefined ? timeMs(value, timeUnitOf(column)) : formattedTimeMs(value, column)
}

/** The same of a time in a unit. */
export function timeMs(value: unknown, unit: TimeUnit): number | null {
  if (unit === 'iso') return typeof value === 'string' ? isoTimeMs(value) : null
  if (typeof value === 'boolean' || !isWhole(value, 2 ** 63)) return null
  const exact = Number(value) * UNIT_MS[unit]
  if (!(exact >= TIME_MS_MIN && exact <= TIME_MS_MAX - 1_000)) return null
  const whole = Number.isSafeInteger(value) ? (value as number) : Number(wholeText(String(value)))
  return unit === 'us' ? Math.floor(whole / 1_000) : whole * (unit === 's' ? 1_000 : 1)
}

function isoTimeMs(text: string): number | null {
  const match = TIME.exec(text)
  const day = match === null ? null : dayMs(match[1]!, 0)
  if (match === null || day === null) return null
  const [hours, minutes, seconds] = [match[2], match[3], match[4]].map((part) => Number(part ?? 0))
  const offset = Number(`${match[6] ?? '+'}1`) * (Number(match[7] ?? 0) * 60 + Number(match[8] ?? 0))
  const ms = day + ((hours! * 60 + minutes! - offset) * 60 + seconds!) * 1_000
  const fractionMs = match[5] === undefined ? 0 : Number(match[5].slice(0, 3).padEnd(3, '0'))
  return ms >= TIME_MS_MIN && ms <= TIME_MS_MAX ? ms + fractionMs : null
}

/** Start of the day YYYY-MM-DD; null if the calendar has no such day. @param firstYear 0 for a day that a zone can bring into the year 1 */
function dayMs(text: string, firstYear: 0 | 1): number | null {
  const [year, month, day] = [Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10))]
  const start = new Date(0)
  start.setUTCFullYear(year, month - 1, day)
  return year >= firstYear && start.getUTCMonth() === month - 1 && start.getUTCDate() === day ? start.getTime() : null
}

/**
 * The text whose hash determines the partition of an event, for a valid or missing key: keys that are equal for the engine have equal texts. (The
 * reverse does not hold, and need not: integers beyond 2^53 share the texts of their neighbours.)
 */
export function keyText(value: unknown, column: ColumnDefinition): string {
  const key =
    value !== undefined && value !== null && isUsable(value, column) ? value : (column.default ?? value ?? null)
  switch (column.type) {
    case 'INTEGER':
    case 'BIGINT':
      return wholeText(key)
    case 'BOOLEAN':
      return typeof key === 'string' ? String(/^[ty1]/i.test(key)) : String(Boolean(key))
    case 'DATE':
      return String(key).slice(0, 10)
    default:
      return plainText(key)
  }
}

/** Rounds like the engine: numbers half to even, texts half away from zero. */
function wholeText(key: unknown): string {
  if (Number.isSafeInteger(key)) return String(key)
  const number = Number(typeof key === 'string' ? trimmed(key) : key)
  if (!Number.isFinite(number)) return String(key)
  const below = Math.floor(number)
  const tie = number - below === 0.5
  const away =
    typeof key === 'string' ? Math.sign(number) * Math.floor(Math.abs(number) + 0.5) : below + (below % 2 === 0 ? 0 : 1)
  return String((tie ? away : Math.round(number)) + 0)
}

/** One text for 1, "1", 1.0 and "1.0", and one for an object and its JSON text, whatever its white space. */
function plainText(key: unknown): string {
  if (typeof key !== 'string') return typeof key === 'object' ? JSON.stringify(key) : String(key)
  if (JSON_NUMBER.test(key)) return String(Number(key))
  if (!key.startsWith('{') && !key.startsWith('[')) return key
  try {
    return JSON.stringify(JSON.parse(key))
  } catch {
    return key
  }
}
