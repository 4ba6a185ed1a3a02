/**
 * Parts of expressions that fail by themselves, whatever a row has: ln(0), 'x'::INTEGER. At run time such an expression is NULL in every row,
 * as each one that fails is; nobody means that.
 */
import type { SqlColumn } from './compiled.ts'
import type { SqlDialect } from './dialect.ts'
import { expressionSql } from './expression.ts'
import { quoteName, quoteText } from './sql-names.ts'
import type { Say } from './view-panes.ts'

export interface Placed {
  readonly place: string
  readonly expression: string
}

/** A node of json_serialize_sql, as far as it is used. */
interface TreeNode {
  readonly class?: string
  readonly value?: { readonly type: { readonly id: string }; readonly value?: unknown }
}

/** @param row relation of one row of NULLs, with the names that the expressions use */
export async function sayFailing(
  dialect: SqlDialect,
  expressions: readonly Placed[],
  known: ReadonlySet<string>,
  row: string,
  say: Say,
): Promise<void> {
  const own = expressions.filter(({ expression }) => !known.has(expression.trim()))
  if (own.length === 0) return
  const values = own.map(({ expression }, index) => `(${expressionSql(expression, known)}) AS v${index}`)
  // With NULLs, little fails but constants: one statement finds that there is none.
  if ((await dialect.failureOf(`SELECT ${values.join(', ')} FROM ${row}`)) === null) return
  for (const { place, expression } of own) {
    const failure = await failureOf(dialect, expression)
    if (failure !== null)
      say(
        place,
        `'${expression}' has a part that fails in every row: ${failure}; correct it, or write NULL where no value is meant`,
      )
  }
}

export function rowOfNulls(columns: readonly SqlColumn[]): string {
  const values = columns.map(({ name, type }) => `NULL::${type} AS ${quoteName(name)}`)
  return `(SELECT ${values.length === 0 ? '1' : values.join(', ')} FROM range(1))`
}

async function failureOf(dialect: SqlDialect, expression: string): Promise<string | null> {
  const tree = (await dialect.parse(`SELECT (${expression}\n)`)) as {
    readonly statements: readonly [{ readonly node: { select_list: unknown[] } }]
  }
  const { node } = tree.statements[0]
  for (const constant of constantParts(node.select_list[0])) {
    node.select_list = [constant]
    const text = quoteText(JSON.stringify(tree, writtenValue).replace(/"#(-?[\d.e+]+)"/g, '$1'))
    const failure = await dialect.failureOf(`SELECT * FROM query(json_deserialize_sql(${text}::JSON))`)
    if (failure !== null) return failure
  }
  return null
}

/** The largest parts that read no column. */
function constantParts(value: unknown): TreeNode[] {
  if (value === null || typeof value !== 'object') return []
  const { class: kind } = value as TreeNode
  if (kind !== undefined && !nodesIn(value).some((node) => node.class === 'COLUMN_REF'))
    return kind === 'CONSTANT' || nodesIn(value).some(isImprecise) ? [] : [value as TreeNode]
  return Object.values(value).flatMap(constantParts)
}

function nodesIn(value: unknown): TreeNode[] {
  if (value === null || typeof value !== 'object') return []
  return [value as TreeNode, ...Object.values(value).flatMap(nodesIn)]
}

/** A number that JavaScript has not read as it is written. */
function isImprecise({ value }: TreeNode): boolean {
  const number = value?.value
  return typeof number === 'number' && value!.type.id !== 'DOUBLE' && !Number.isSafeInteger(number)
}

/** Locations are larger than what JavaScript reads exactly; a DOUBLE must have a fraction or an exponent. */
function writtenValue(key: string, value: unknown): unknown {
  if (key === 'query_location') return 0
  const constant = value as NonNullable<TreeNode['value']> | null
  const isWholeDouble = constant?.type?.id === 'DOUBLE' && Number.isInteger(constant.value)
  return isWholeDouble ? { ...constant, value: `#${(constant.value as number).toExponential()}` } : value
}
