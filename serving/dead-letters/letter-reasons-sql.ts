/** Reasons of dead letters in SQL. */
import { quoteText } from '#core/sql-names.ts'

/** The kind of a reason: texts with other values, positions or lengths are one kind. */
export function reasonKindSql(reason: string): string {
  const quoted = `regexp_replace(regexp_replace(${reason}, '''[^'']*''', '''…''', 'g'), '"[^"]*"', '"…"', 'g')`
  return `regexp_replace(${quoted}, '\\b\\d+(\\.\\d+)?\\b', '#', 'g')`
}

/** Whether a letter has this reason, or one of this kind. */
export function reasonCondition(reason: string): string {
  return `(reason = ${quoteText(reason)} OR ${reasonKindSql('reason')} = ${quoteText(reason)})`
}
