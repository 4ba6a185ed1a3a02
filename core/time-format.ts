/**
 * Formats of times, in the names of the engine's strptime. A format becomes a pattern, which both the engine and validation at ingest match
 * first: where strptime is more lenient than the pattern, or reads a text in another way, it does not matter.
 */
export type TimePart =
  | 'year'
  | 'shortYear'
  | 'month'
  | 'monthName'
  | 'monthShort'
  | 'day'
  | 'hour'
  | 'hour12'
  | 'half'
  | 'minute'
  | 'second'
  | 'fraction'
  | 'offset'
  | 'weekday'

/** Names in any case, in a pattern. */
const ANY_CASE = /\(\?i:([a-z|]+)\)/g

/**
 * The pattern's regular expression in JavaScript, of a whole text. Each letter of a name becomes a class of both cases: V8 forgets in some
 * states of a process that a part of a pattern ignores case (nodejs/node#60030).
 *
 * @example
 * wholeText({ pattern: '(?i:am|pm)' }) // /^(?:(?:[aA][mM]|[pP][mM]))$/
 */
export function wholeText({ pattern }: Pick<TimeFormat, 'pattern'>): RegExp {
  const bothCases = (names: string): string => names.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)
  return new RegExp(`^(?:${pattern.replace(ANY_CASE, (_, names: string) => `(?:${bothCases(names)})`)})$`)
}

/** A format that has been checked. */
export interface TimeFormat {
  readonly format: string
  /** regular expression of the whole text for RE2; one group for each part */
  readonly pattern: string
  readonly parts: readonly TimePart[]
  /** pattern of a text whose offset is Z, in two groups: what is before it, and after it; null where the texts have no offset */
  readonly zulu: string | null
  /** a text of the format may also be that of a number in JSON */
  readonly mayBeNumber: boolean
  /** every text of the format is a whole number */
  readonly isDigits: boolean
}

export const MONTHS = [
  ...['january', 'february', 'march', 'april', 'may', 'june'],
  ...['july', 'august', 'september', 'october', 'november', 'december'],
] as const
const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']
const short = (names: readonly string[]): string => names.map((name) => name.slice(0, 3)).join('|')
const anyCase = (names: string): string => `(?i:${names})`
/** Offsets up to ±15:59, as in ISO 8601 times. */
const OFFSET = '(?:Z|[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?)'

interface Specifier {
  readonly part: TimePart
  /** pattern between characters that are no digits */
  readonly pattern: string
  /** pattern beside other digits, where the width must be fixed; absent: not a number */
  readonly fixed?: string
}

const SPECIFIERS: Readonly<Record<string, Specifier>> = {
  '%Y': { part: 'year', pattern: '[0-9]{4}', fixed: '[0-9]{4}' },
  '%y': { part: 'shortYear', pattern: '[0-9]{2}', fixed: '[0-9]{2}' },
  '%m': { part: 'month', pattern: '0?[1-9]|1[0-2]', fixed: '0[1-9]|1[0-2]' },
  '%B': { part: 'monthName', pattern: anyCase(MONTHS.join('|')) },
  '%b': { part: 'monthShort', pattern: anyCase(short(MONTHS)) },
  '%d': { part: 'day', pattern: '0?[1-9]|[12][0-9]|3[01]', fixed: '0[1-9]|[12][0-9]|3[01]' },
  '%H': { part: 'hour', pattern: '[01]?[0-9]|2[0-3]', fixed: '[01][0-9]|2[0-3]' },
  '%I': { part: 'hour12', pattern: '0?[1-9]|1[0-2]', fixed: '0[1-9]|1[0-2]' },
  '%p': { part: 'half', pattern: anyCase('am|pm') },
  '%M': { part: 'minute', pattern: '[0-5]?[0-9]', fixed: '[0-5][0-9]' },
  '%S': { part: 'second', pattern: '[0-5]?[0-9]', fixed: '[0-5][0-9]' },
  '%f': { part: 'fraction', pattern: '[0-9]{1,6}', fixed: '[0-9]{6}' },
  '%g': { part: 'fraction', pattern: '[0-9]{1,3}', fixed: '[0-9]{3}' },
  '%z': { part: 'offset', pattern: OFFSET },
  '%A': { part: 'weekday', pattern: anyCase(WEEKDAYS.join('|')) },
  '%a': { part: 'weekday', pattern: anyCase(short(WEEKDAYS)) },
}

/** Specifiers that a format can have; `%-d` is `%d`. */
export const TIME_SPECIFIERS = [...Object.keys(SPECIFIERS), '%%']
export const TIME_FORMAT_CHARS_MAX = 128
const TOKEN = /%-?.|[^%]|%$/gsu

/** Parts of which a format has exactly one, or at most one. */
const YEARS: readonly TimePart[] = ['year', 'shortYear']
const MONTH_PARTS: readonly TimePart[] = ['month', 'monthName', 'monthShort']
const HOURS: readonly TimePart[] = ['hour', 'hour12']

/**
 * Checks a format. Returns the problem as a sentence if it is not one.
 *
 * @example
 * parseTimeFormat('%Y/%m/%d %H:%M') // { pattern: '([0-9]{4})/(0?[1-9]|1[0-2])/…', parts: ['year', 'month', …], … }
 * parseTimeFormat('%H:%M') // "the format '%H:%M' has no year (%Y or %y)"
 */
export function parseTimeFormat(format: string): TimeFormat | string {
  if (format.length > TIME_FORMAT_CHARS_MAX) return `a format has at most ${TIME_FORMAT_CHARS_MAX} characters`
  if (format.trim() !== format) return `the format '${format}' begins or ends with white space`
  const tokens = [...format.matchAll(TOKEN)].map(([token]) => token.replace('%-', '%'))
  const unknown = tokens.find((token) => token.startsWith('%') && !TIME_SPECIFIERS.includes(token))
  if (unknown !== undefined)
    return `the format '${format}' contains '${unknown}'; known are ${TIME_SPECIFIERS.join(' ')}`
  const specifiers = tokens.map((token) => (token === '%%' ? undefined : SPECIFIERS[token]))
  const parts = specifiers.flatMap((specifier) => specifier?.part ?? [])
  const lacking = problemOf(parts)
  if (lacking !== null) return `the format '${format}' ${lacking}`
  const isDigit = tokens.map((token, at) => /^[0-9]$/.test(token) || specifiers[at]?.fixed !== undefined)
  const pieces = tokens.map((token, at) => {
    const specifier = specifiers[at]
    if (specifier === undefined) return literal(token === '%%' ? '%' : token)
    return {
      of: specifier,
      text: isDigit[at - 1] || isDigit[at + 1] ? (specifier.fixed ?? specifier.pattern) : specifier.pattern,
    }
  })
  return {
    format: tokens.join(''),
    pattern: patternOf(pieces, '('),
    parts,
    zulu: zuluOf(pieces),
    mayBeNumber: tokens.every((token, at) => isDigit[at] || token === '%z' || /^[.eE+-]$/.test(token)),
    isDigits: isDigit.every(Boolean),
  }
}

type Piece = string | { readonly of: Specifier; readonly text: string }

function patternOf(pieces: readonly Piece[], open: '(' | '(?:'): string {
  return pieces.map((piece) => (typeof piece === 'string' ? piece : `${open}${piece.text})`)).join('')
}

function zuluOf(pieces: readonly Piece[]): string | null {
  const at = pieces.findIndex((piece) => typeof piece === 'object' && piece.of.part === 'offset')
  if (at === -1) return null
  return `^(${patternOf(pieces.slice(0, at), '(?:')})Z(${patternOf(pieces.slice(at + 1), '(?:')})$`
}

function problemOf(parts: readonly TimePart[]): string | null {
  const count = (of: readonly TimePart[]): number => parts.filter((part) => of.includes(part)).length
  if (count(YEARS) === 0) return 'has no year (%Y or %y)'
  if (count(MONTH_PARTS) === 0) return 'has no month (%m, %b or %B)'
  if (count(['day']) === 0) return 'has no day (%d)'
  if (count(['hour12']) !== count(['half'])) return 'needs %I and %p together, or %H'
  if (count(['minute', 'second', 'fraction']) > 0 && count(HOURS) === 0) return 'has no hour (%H or %I)'
  if (count(['second', 'fraction']) > 0 && count(['minute']) === 0) return 'has no minute (%M)'
  if (count(['fraction']) > 0 && count(['second']) === 0) return 'has a fraction, but no second (%S)'
  const single = [
    YEARS,
    MONTH_PARTS,
    HOURS,
    ...(['day', 'minute', 'second', 'fraction', 'offset'] as const).map((p) => [p]),
  ]
  return single.some((group) => count(group) > 1) ? 'names a part of the time twice' : null
}

/** A character as itself in a pattern. */
function literal(char: string): string {
  return /[\\^$.*+?()[\]{}|]/.test(char) ? `\\${char}` : char
}
