/**
 * The SQL types that a view can store, and the canonical form of their values. Stored values are compared, hashed, written as
 * JSON and read back, so each value has exactly one form: no NaN, infinity, negative zero, time zone, or year after 9999.
 */

/** Range of event times: years 1 to 9999. */
export const TIME_MS_MIN = -62_135_596_800_000
export const TIME_MS_MAX = 253_402_300_799_999

const PLAIN =
  /^(BOOLEAN|VARCHAR|U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|DECIMAL\(\d+,\s*\d+\)|(BOOLEAN|U?TINYINT|U?SMALLINT|U?INTEGER|U?BIGINT|VARCHAR|DATE|TIMESTAMP)\[\])$/
const DATE_PART = '[0-9]{4}-[0-9]{2}-[0-9]{2}'
const CLOCK = '[T ][0-9]{2}:[0-9]{2}'
const ZONE = '(Z|[+-][0-9]{2}(:?[0-9]{2})?)'
const PLAIN_TIME = `${DATE_PART}(${CLOCK}(:[0-9]{2}([.][0-9]{1,9})?Z?)?)?`
const OFFSET_TIME = `${DATE_PART}${CLOCK}:[0-9]{2}([.][0-9]{1,9})?${ZONE}`

/** SQL: the double; NULL if it is missing or not finite. -0 becomes 0, because the two are equal but have different texts. */
export function finiteSql(value: string): string {
  return `CASE WHEN isfinite(${value}) THEN ${value} + 0.0 END`
}

/** SQL: NULL instead of infinities and of years that JSON and other engines cannot represent. */
export function inYearsSql(value: string, type: 'TIMESTAMP' | 'DATE'): string {
  const last = type === 'DATE' ? '9999-12-31' : '9999-12-31 23:59:59.999999'
  return `CASE WHEN ${value} BETWEEN ${type} '0001-01-01' AND ${type} '${last}' THEN ${value} END`
}

/**
 * SQL: ISO 8601 text → TIMESTAMP in UTC; NULL if it is not one. The pattern is checked first, because the engine's cast also accepts
 * 'infinity' and zone names, and after a zone name it reads the following rows of the batch in that zone.
 */
export function isoTimeSql(text: string): string {
  const zoned = (value: string): string => `timezone('UTC', TRY_CAST(${value} AS TIMESTAMPTZ))`
  const plain = `WHEN regexp_full_match(${text}, '${PLAIN_TIME}') THEN TRY_CAST(${text} AS TIMESTAMP)`
  const offset = `WHEN regexp_full_match(${text}, '${OFFSET_TIME}') THEN ${zoned(text)}`
  // The engine requires seconds before a zone.
  const noSeconds = `WHEN regexp_full_match(${text}, '${DATE_PART}${CLOCK}${ZONE}') THEN ${zoned(`concat(substr(${text}, 1, 16), ':00', substr(${text}, 17))`)}`
  const read = `CASE ${plain} ${offset} ${noSeconds} END`
  return inYearsSql(read, 'TIMESTAMP')
}

const UNIT_PER_SECOND = { s: 1, ms: 1_000, us: 1_000_000 } as const

/** SQL: text of a number of units since 1970 → TIMESTAMP; NULL if it is not one. */
export function unitTimeSql(text: string, unit: 's' | 'ms' | 'us'): string {
  const raw = `TRY_CAST(${text} AS BIGINT)`
  const perSecond = UNIT_PER_SECOND[unit]
  const low = (TIME_MS_MIN / 1_000) * perSecond
  const high = Math.floor(TIME_MS_MAX / 1_000) * perSecond
  const micros = `${raw} * ${1_000_000 / perSecond}`
  return `CASE WHEN ${raw} BETWEEN ${low} AND ${high} THEN make_timestamp(${micros}) END`
}

/** SQL: epoch ms of the millisecond that the time is in; the engine's epoch_ms gives the next one for a time before 1970. */
export function epochMsSql(time: string): string {
  return `epoch_ms(date_trunc('millisecond', ${time}))`
}

/** SQL: text that begins with YYYY-MM-DD → DATE; NULL for other text. */
export function isoDateSql(text: string): string {
  const read = `CASE WHEN regexp_full_match(${text}, '${DATE_PART}([T ].*)?') THEN TRY_CAST(substr(${text}, 1, 10) AS DATE) END`
  return inYearsSql(read, 'DATE')
}

/** SQL: text of a number → DECIMAL, rounded half away from zero as it is written. The engine misreads texts with small exponents. */
export function decimalSql(text: string, type: string): string {
  return `CASE WHEN ${hasExponentSql(text)} THEN TRY_CAST(TRY_CAST(${text} AS DOUBLE) AS ${type}) ELSE TRY_CAST(${text} AS ${type}) END`
}

function hasExponentSql(text: string): string {
  return `contains(${text}, 'e') OR contains(${text}, 'E')`
}

/**
 * SQL: a JSON value → DECIMAL; NULL if a number may have lost digits, because the reader parses fractions as doubles. Integers, and strings
 * without an exponent, are read digit by digit.
 */
export function wideDecimalSql(json: string, type: string): string {
  const { scale } = decimalOf(type)!
  const [text, string] = [`${json}::VARCHAR`, `json_extract_string(${json}, '$')`]
  const double = `TRY_CAST(${string} AS DOUBLE)`
  const shortest = `(${double})::VARCHAR`
  const cases = [
    // The engine misreads texts with small exponents: they are doubles, as numbers are.
    `json_type(${json}) = 'VARCHAR' AND NOT (${hasExponentSql(string)}) THEN TRY_CAST(${string} AS ${type})`,
    `regexp_full_match(${text}, '-?[0-9]+') THEN TRY_CAST(${text} AS ${type})`,
    `abs(${double}) < 1e${15 - scale} THEN ${decimalSql(shortest, type)}`,
    // Larger doubles still determine a text of at most 15 digits: it is the shortest text that parses to the double.
    `regexp_full_match(${shortest}, '-?[0-9]+[.][0-9]+') AND length(regexp_replace(${shortest}, '[-.]', '', 'g')) <= 15 THEN TRY_CAST(${shortest} AS ${type})`,
    `abs(${double}) < 9007199254740992 AND ${double} = trunc(${double}) THEN TRY_CAST(TRY_CAST(${double} AS BIGINT) AS ${type})`,
  ]
  return `CASE ${cases.map((text) => `WHEN ${text}`).join(' ')} END`
}

/** Digits and scale of a DECIMAL type; null for other types. */
export function decimalOf(type: string): { readonly digits: number; readonly scale: number } | null {
  const match = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type)
  return match && { digits: Number(match[1]), scale: Number(match[2]) }
}

/** The expression in the form that is stored; a sentence with the problem if its type cannot be stored. */
export function storedValue(sql: string, type: string): { readonly sql: string; readonly type: string } | string {
  if (PLAIN.test(type)) return { sql, type }
  if (type === 'FLOAT' || type === 'DOUBLE') return { sql: finiteSql(`(${sql})::DOUBLE`), type: 'DOUBLE' }
  if (type === 'FLOAT[]' || type === 'DOUBLE[]')
    return { sql: `list_transform((${sql})::DOUBLE[], lambda _x: ${finiteSql('_x')})`, type: 'DOUBLE[]' }
  if (type === 'DATE') return { sql: inYearsSql(`(${sql})`, 'DATE'), type }
  if (/^TIMESTAMP(_S|_MS|_NS)?$/.test(type))
    return { sql: inYearsSql(`TRY_CAST((${sql}) AS TIMESTAMP)`, 'TIMESTAMP'), type: 'TIMESTAMP' }
  if (type === 'TIMESTAMP WITH TIME ZONE')
    return { sql: inYearsSql(`timezone('UTC', (${sql}))`, 'TIMESTAMP'), type: 'TIMESTAMP' }
  if (type === 'JSON') return { sql: `(${sql})::VARCHAR`, type: 'VARCHAR' }
  return `has type ${type}, which cannot be stored; cast it, for example ::VARCHAR, ::BIGINT, ::DECIMAL(28,2) or ::DOUBLE`
}
