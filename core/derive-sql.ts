/**
 * SQL that adds derived columns to rows, and tells where a derivation failed: where its expression raised an error, or where its result could
 * not become a value of the column. A result of NULL is not a failure.
 */
import type { Derivation } from './derived-columns.ts'
import { quoteName, quoteText } from './sql-names.ts'

const triedName = (name: string): string => quoteName(`_tried ${name}`)
const valueName = (name: string): string => quoteName(`_value ${name}`)

/**
 * SELECT over a SELECT of typed columns, which keeps them and adds derived columns. @param defaultOf SQL of a column's default, or null
 */
export function derivedSql(
  select: string,
  derivations: readonly Derivation[],
  defaultOf: (derivation: Derivation) => string | null,
): string {
  let sql = select
  for (const derivation of derivations) {
    const { name } = derivation
    const value = valueName(name)
    const absent = defaultOf(derivation)
    sql = `SELECT *, TRY(struct_pack(v := (${derivation.sql}))) AS ${triedName(name)} FROM (${sql})`
    sql = `SELECT *, ${derivation.valueSql(`${triedName(name)}.v`)} AS ${value} FROM (${sql})`
    sql = `SELECT *, ${absent === null ? value : `coalesce(${value}, ${absent})`} AS ${quoteName(name)} FROM (${sql})`
  }
  return sql
}

/** SQL over the rows of `derivedSql`: names of the columns whose derivation failed, added to a list of names, which may be NULL. */
export function withFailedSql(names: string, derivations: readonly Derivation[]): string {
  if (derivations.length === 0) return names
  const failed = derivations.map(({ name }) => ({ name, condition: failedCondition(name) }))
  const list = failed.map(({ name, condition }) => `CASE WHEN ${condition} THEN ${quoteText(name)} END`)
  const any = failed.map(({ condition }) => condition).join(' OR ')
  return `CASE WHEN ${any} THEN list_concat(coalesce(${names}, []::VARCHAR[]), list_filter([${list.join(', ')}], lambda _x: _x IS NOT NULL)) ELSE ${names} END`
}

function failedCondition(name: string): string {
  const tried = triedName(name)
  return `(${tried} IS NULL OR (${valueName(name)} IS NULL AND ${tried}.v IS NOT NULL))`
}
