/** The values of expressions on both engines, row by row. */
import { trinoExpression } from '#core/dialects/trino-expression.ts'
import { expressionSql } from '#core/expression.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { VALUE_COLUMNS } from './compared-values.ts'

export interface Difference {
  readonly expression: string
  readonly row: number
  readonly duckdb: unknown
  readonly trino: unknown
}

export interface Asked {
  readonly connection: EngineConnection
  /** rows of a statement on Trino */
  readonly trino: (sql: string) => Promise<readonly (readonly unknown[])[]>
  /** both have the rows as a table of this name */
  readonly table: string
  /** changes the translation, to show that a wrong one is found */
  readonly wrong?: (sql: string, expression: string) => string
}

/** Names of columns are no SQL keywords here. */
const NO_NAMES: ReadonlySet<string> = new Set()

/** One statement on each engine. @throws where an expression is refused */
export async function differencesOf(asked: Asked, expressions: readonly string[]): Promise<readonly Difference[]> {
  const { connection, trino, table, wrong = (sql: string) => sql } = asked
  const translated = []
  for (const expression of expressions) {
    const found = await trinoExpression(connection, expression, VALUE_COLUMNS, { anyOrder: false })
    if ('refused' in found) throw new Error(`${expression}: ${found.refused}`)
    translated.push(found)
  }
  const types = translated.map(({ type }) => type)
  const ours = expressions.map(
    (text, at) => `${duckDbText(`TRY((${expressionSql(text, NO_NAMES)}))`, types[at]!)} AS c${at}`,
  )
  const theirs = translated.map(({ sql, type }, at) => `${trinoText(wrong(sql, expressions[at]!), type)} AS c${at}`)
  const [expected, actual] = await Promise.all([
    connection.rows<Record<string, string | null>>(`SELECT ${ours.join(', ')} FROM ${table} ORDER BY _row`),
    trino(`SELECT ${theirs.join(', ')} FROM ${table} ORDER BY _row`),
  ])
  if (expected.length !== actual.length) throw new Error(`${expected.length} rows, but ${actual.length} on Trino`)
  return expressions.flatMap((expression, at) =>
    expected.flatMap((row, place) => {
      const [duckdb, other] = [
        canonical(row[`c${at}`]!, types[at]!),
        canonical(actual[place]![at] as string | null, types[at]!),
      ]
      return Object.is(duckdb, other) ? [] : [{ expression, row: place, duckdb, trino: other }]
    }),
  )
}

function duckDbText(sql: string, type: string): string {
  return type.endsWith('[]') ? `to_json(${sql})::VARCHAR` : `(${sql})::VARCHAR`
}

function trinoText(sql: string, type: string): string {
  return type.endsWith('[]') ? `json_format(CAST(${sql} AS json))` : `CAST(${sql} AS varchar)`
}

/** One form for the texts of both. */
function canonical(text: string | null, type: string): unknown {
  if (text === null) return null
  if (type === 'DOUBLE') return Number(text.replace(/^(-?)inf$/, '$1Infinity').replace(/^nan$/, 'NaN'))
  if (type.startsWith('DECIMAL')) return text.replace(/^(-?)\./, '$10.')
  if (type === 'TIMESTAMP') return text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return type === 'VARCHAR[]' || type === 'DOUBLE[]' ? JSON.stringify(JSON.parse(text)) : text
}
