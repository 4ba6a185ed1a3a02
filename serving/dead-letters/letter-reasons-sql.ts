/** Reasons of dead letters in SQL. */
import { quoteText } from '#core/sql-names.ts'

/** a time as messages show it, with or without a zone, or a number; years beyond 9999 have a sign and six digits */
const TIME = '[+-]?\\d{4,6}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d(:\\d\\d(\\.\\d+)?)?(Z|[+-]\\d\\d(:?\\d\\d)?)?'
const NUMBER = '\\b\\d+(\\.\\d+)?(e[+-]?\\d+)?\\b'

/**
 * The kind of a reason: texts with other values, times, positions or lengths are one kind.
 *
 * @example
 * reasonKindSql(`'t: 12 is outside the accepted times, 1970-01-01T00:00:00.000Z to 2027-11-26T10:00:00.000Z'`)
 * // SQL of: t: # is outside the accepted times, # to #
 */
export function reasonKindSql(reason: string): string {
  const quoted = `regexp_replace(regexp_replace(${reason}, '''[^'']*''', '''…''', 'g'), '"[^"]*"', '"…"', 'g')`
  return `regexp_replace(${quoted}, ${quoteText(`${TIME}|${NUMBER}`)}, '#', 'g')`
}

/** Whether a letter has this reason, or one of this kind. */
export function reasonCondition(reason: string): string {
  return `(reason = ${quoteText(reason)} OR ${reasonKindSql('reason')} = ${quoteText(reason)})`
}
