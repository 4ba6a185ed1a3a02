/** Why a derived column makes an event unusable, told by the engine: the expression, and the values that it had. */
import { UNSET } from './conversion-failures-sql.ts'
import type { Derivation } from './derived-columns.ts'
import { quoteName, quoteText } from './sql-names.ts'

const SHOWN_CHARS_MAX = 80

/** SQL over a typed row: why a derived column makes it unusable; NULL where none does. @param notAccepted SQL condition: the event time is not accepted */
export function derivedReasonSql(
  derivations: readonly Derivation[],
  timeColumn: string,
  notAccepted: string,
): string | null {
  const cases = derivations.flatMap((derivation) => {
    const { name, column } = derivation
    const isTime = name === timeColumn
    const value = quoteName(name)
    return [
      ...(column.required || isTime ? [`WHEN ${value} IS NULL THEN ${noValueSql(derivation)}`] : []),
      ...(isTime
        ? [
            `WHEN ${notAccepted} THEN ${quoteText(`${placeOf(derivation)}: `)} || ${value}::VARCHAR || ' is outside the accepted times'`,
          ]
        : []),
    ]
  })
  return cases.length === 0 ? null : `CASE ${cases.join(' ')} END`
}

/** SQL over a noted row: why a derived column with onError 'reject' makes it unusable; NULL where none does. */
export function derivedRejectSql(derivations: readonly Derivation[]): string {
  const cases = derivations
    .filter(({ column }) => column.onError === 'reject')
    .map((derivation) => {
      const failed = `list_contains(${UNSET.name}, ${quoteText(derivation.name)})`
      return `WHEN ${failed} THEN ${noValueSql(derivation)} || ', and the column has onError ''reject'''`
    })
  return cases.length === 0 ? 'NULL::VARCHAR' : `CASE ${cases.join(' ')} END`
}

/** SQL over a typed row: that the derivation gave no value, and of what. */
function noValueSql(derivation: Derivation): string {
  const inputs = derivation.reads.map((input) => {
    const text = `left(${quoteName(input)}::VARCHAR, ${SHOWN_CHARS_MAX})`
    return `${quoteText(`${input} `)} || coalesce(${text}, 'NULL')`
  })
  const given = inputs.length === 0 ? '' : ` || ' for ' || ${inputs.join(" || ', ' || ")}`
  return `${quoteText(`${placeOf(derivation)}: gives no value`)}${given}`
}

function placeOf({ name, column }: Derivation): string {
  return `${name} (= ${column.as})`
}
