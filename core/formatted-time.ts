/** Times in a format of their own: what validation at ingest makes of a text, and the SQL that makes the same of it. */
import { timeUnitOf } from './column-types.ts'
import type { ColumnDefinition } from './definition-parts.ts'
import { quoteText } from './sql-names.ts'
import { inYearsSql, isoTimeSql, TIME_MS_MAX, TIME_MS_MIN, unitTimeSql } from './stored-value.ts'
import { MONTHS, parseTimeFormat, type TimeFormat, type TimePart, wholeText } from './time-format.ts'
import { instantOf } from './wall-time.ts'

type Formatted = Pick<ColumnDefinition, 'format' | 'zone'>

interface Reader {
  readonly format: TimeFormat
  readonly regExp: RegExp
}

/** Short years from here on are of the 20th century. */
const CENTURY_PIVOT = 69

/** SQL: text of a time of a column without formats → TIMESTAMP; NULL if it is not one. */
export function timeTextSql(text: string, column: Pick<ColumnDefinition, 'unit'>): string {
  const unit = timeUnitOf(column)
  return unit === 'iso' ? isoTimeSql(text) : unitTimeSql(text, unit)
}

export function formatsOf({ format }: Formatted): readonly string[] {
  return format === undefined ? [] : typeof format === 'string' ? [format] : format
}

/** Readers of the formats of columns that have been used. */
const readers = new Map<string, Reader>()

function readerOf(format: string): Reader {
  const known = readers.get(format)
  if (known !== undefined) return known
  const parsed = parseTimeFormat(format)
  if (typeof parsed === 'string') throw new RangeError(parsed)
  const reader = { format: parsed, regExp: wholeText(parsed) }
  readers.set(format, reader)
  return reader
}

/** The millisecond that a time is in, since 1970, by the first of the column's formats that reads it; null if none does. @param value JSON */
export function formattedTimeMs(value: unknown, column: Formatted): number | null {
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value)
  if (typeof value !== 'string' && !isNumber) return null
  for (const format of formatsOf(column)) {
    const reader = readerOf(format)
    if (isNumber && !reader.format.isDigits) continue
    const at = timeIn(String(value), reader, column.zone ?? 'UTC')
    if (at !== null) return at
  }
  return null
}

function timeIn(text: string, { format, regExp }: Reader, zone: string): number | null {
  const match = regExp.exec(text)
  if (match === null) return null
  const of = (part: TimePart): string | undefined => match[format.parts.indexOf(part) + 1]
  const has = (part: TimePart): boolean => format.parts.includes(part)
  const number = (part: TimePart): number => (has(part) ? Number(of(part)) : 0)
  const name = has('monthName') || has('monthShort') ? of(has('monthName') ? 'monthName' : 'monthShort')! : null
  const month =
    name === null ? number('month') : MONTHS.findIndex((one) => one.startsWith(name.slice(0, 3).toLowerCase())) + 1
  const short = number('shortYear')
  const year = has('year') ? number('year') : short + (short < CENTURY_PIVOT ? 2_000 : 1_900)
  const day = number('day')
  const wall = new Date(0)
  wall.setUTCFullYear(year, month - 1, day)
  if (year === 0 || wall.getUTCMonth() !== month - 1 || wall.getUTCDate() !== day) return null
  const hour = has('half') ? (number('hour12') % 12) + (/^p/i.test(of('half')!) ? 12 : 0) : number('hour')
  const fraction = has('fraction') ? Number(of('fraction')!.slice(0, 3).padEnd(3, '0')) : 0
  const wallMs = wall.setUTCHours(hour, number('minute'), number('second'), fraction)
  const at = has('offset') ? wallMs - offsetMs(of('offset')!) : instantOf(wallMs, zone)
  return at >= TIME_MS_MIN && at <= TIME_MS_MAX ? at : null
}

function offsetMs(text: string): number {
  if (text === 'Z') return 0
  const digits = text.replace(':', '')
  return Number(`${digits[0]}1`) * (Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3) || 0)) * 60_000
}

/** Whether the column's values must be read as JSON, because the text of a number could be taken for a time. */
export function isReadAsJson(column: Formatted): boolean {
  return formatsOf(column).some((format) => readerOf(format).format.mayBeNumber)
}

/** SQL: the value as the reader returns it → TIMESTAMP in UTC, by the first format that reads it; NULL if none does. */
export function formattedTimeSql(raw: string, column: Formatted): string {
  const isJson = isReadAsJson(column)
  const read = formatsOf(column).map((text) => {
    const { format } = readerOf(text)
    return inYearsSql(timeSql(isJson ? textSql(raw, format) : raw, format, column), 'TIMESTAMP')
  })
  return read.length === 1 ? read[0]! : `coalesce(${read.join(', ')})`
}

/** SQL: a string of JSON, or a whole number where the format has digits only. */
function textSql(json: string, { isDigits }: TimeFormat): string {
  const text = `WHEN json_type(${json}) = 'VARCHAR' THEN json_extract_string(${json}, '$')`
  if (!isDigits) return `(CASE ${text} END)`
  const number = `TRY_CAST(${json}::VARCHAR AS DOUBLE)`
  return `(CASE ${text} WHEN json_type(${json}) IN ('UBIGINT', 'DOUBLE') AND ${number} = trunc(${number}) AND ${number} < 9007199254740992 THEN TRY_CAST(${number} AS BIGINT)::VARCHAR END)`
}

function timeSql(text: string, { format, pattern, zulu }: TimeFormat, { zone = 'UTC' }: Formatted): string {
  const matches = `regexp_full_match(${text}, ${quoteText(pattern)})`
  const read = (of: string): string => `try_strptime(${of}, ${quoteText(format)})`
  if (zulu === null) {
    const time = zone === 'UTC' ? read(text) : `timezone('UTC', timezone(${quoteText(zone)}, ${read(text)}))`
    return `CASE WHEN ${matches} THEN ${time} END`
  }
  // The engine does not read Z as an offset.
  const numeric = `regexp_replace(${text}, ${quoteText(zulu)}, '\\1+00\\2')`
  return `CASE WHEN ${matches} THEN timezone('UTC', ${read(numeric)}) END`
}
