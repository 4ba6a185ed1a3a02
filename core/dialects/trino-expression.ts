/**
 * Expressions of definitions in Trino's SQL. DuckDB's own parser reads them and its binder types every part, so each conversion that DuckDB
 * makes by itself is written explicitly. What cannot have the same value for every row is refused, with the reason.
 */
import type { SqlDialect } from '../dialect.ts'
import { quoteName } from '../sql-names.ts'
import { Refused } from './refused.ts'
import { converted, literalValue } from './trino-casts.ts'
import { CONDITION_RULES } from './trino-conditions.ts'
import { LIST_RULES } from './trino-lists.ts'
import { NUMBER_RULES } from './trino-numbers.ts'
import { TEXT_RULES } from './trino-texts.ts'
import { TIME_RULES } from './trino-times.ts'
import { castText, inherited, type Rule, type TrinoValue, trinoValue, typeText } from './trino-value.ts'
import { type TypedNode, typedTree } from './typed-tree.ts'

export interface TrinoExpression {
  readonly sql: string
  /** DuckDB's type of the equal value; `trinoType` of it is the SQL's */
  readonly type: string
}

/** How the allowed functions are computed on Trino: by a rule, or not, with the reason. */
export const TRINO_RULES: Readonly<Record<string, Rule | string>> = {
  ...NUMBER_RULES,
  ...CONDITION_RULES,
  ...TEXT_RULES,
  ...TIME_RULES,
  ...LIST_RULES,
}

/** Functions whose result can have a value although an argument is NULL. */
const ABSORBING: ReadonlySet<string> = new Set([
  ...['and', 'or', 'in', 'not in', 'between', 'is null', 'is not null', 'is distinct from', 'is not distinct from'],
  ...[
    'case',
    'if',
    'coalesce',
    'ifnull',
    'nullif',
    'greatest',
    'least',
    'concat',
    'concat_ws',
    'list_value',
    'list_concat',
  ],
])
/** Those of them that do not evaluate all of their arguments, on either engine. */
const CHOOSING: ReadonlySet<string> = new Set(['case', 'if', 'coalesce', 'ifnull'])

/**
 * An expression in Trino's SQL. For every row its value equals that of `TRY((text))` in DuckDB, NULL where that is NULL or fails.
 *
 * ```ts
 * await trinoExpression(dialect, 'amount // 2', new Map([['amount', 'BIGINT']])) // { sql: 'TRY(("amount" / CAST(2 AS bigint)))', type: 'BIGINT' }
 * await trinoExpression(dialect, 'sin(x)', new Map([['x', 'DOUBLE']])) // { refused: 'sin(): its last digits differ …' }
 * ```
 *
 * @param text an expression that `checkExpression` has accepted for these columns
 * @param columns what it may read: name → DuckDB's type. In the SQL they are quoted names
 * @param options anyOrder: a list whose elements may come in any order is right, too
 */
export async function trinoExpression(
  dialect: SqlDialect,
  text: string,
  columns: ReadonlyMap<string, string>,
  options: { readonly anyOrder?: boolean } = {},
): Promise<TrinoExpression | { readonly refused: string }> {
  try {
    const { sql, type, raises, anyOrder } = translated(await typedTree(dialect, text, columns), false)
    if (anyOrder && options.anyOrder !== true)
      throw new Refused('DuckDB does not define the order of this list; sort it with list_sort()')
    const plain = columns.has(text.trim())
    const typed = plain ? sql : castText(sql, type)
    return { sql: raises ? `TRY(${typed})` : typed, type }
  } catch (error) {
    if (error instanceof Refused) return { refused: error.message }
    throw error
  }
}

/** @param isAbsorbed whether the value could be NULL and the whole one not */
function translated(node: TypedNode, isAbsorbed: boolean): TrinoValue {
  const { op, type, literal } = node
  if (literal !== null)
    return literal.kind === 'null' || literal.kind === 'text' ? bare(node) : literalValue(literal, type)
  if (op === 'column') {
    typeText(type)
    return trinoValue(quoteName(node.name), type)
  }
  const args = node.args.map((arg) => translated(arg, isAbsorbed || ABSORBING.has(op)))
  if (op === 'cast') return converted(args[0]!, type)
  if (op === 'try_cast') return tried(args[0]!, type)
  const rule = Object.hasOwn(TRINO_RULES, op) ? TRINO_RULES[op]! : 'it has no translation'
  if (typeof rule === 'string') throw new Refused(`${op}(): ${rule}`)
  const value = rule({ op, args, type })
  if (value.type !== type && type !== '"NULL"') throw new Refused(`${op}() gives ${type}, which has no translation`)
  const mayHide = isAbsorbed && args.length > 1 && !CHOOSING.has(op) && !['and', 'or'].includes(op)
  return mayHide && inherited(args).raises ? { ...value, sql: evaluatingAll(args, value.sql) } : value
}

/** Trino does not evaluate what follows a NULL: an error in there, which makes the whole expression NULL in DuckDB, must not get lost. */
function evaluatingAll(args: readonly TrinoValue[], sql: string): string {
  const checks = args.filter(({ raises }) => raises).map((arg) => `${arg.sql} IS NULL`)
  return `(CASE WHEN cardinality(ARRAY[${checks.join(', ')}]) > 0 THEN ${sql} END)`
}

/** A text or NULL: what it is compared with or assigned to decides on its type. */
function bare({ literal, type }: TypedNode): TrinoValue {
  return converted(trinoValue('NULL', 'VARCHAR', { literal }), literal!.kind === 'text' ? 'VARCHAR' : boundType(type))
}

/** Of a NULL alone. */
function boundType(type: string): string {
  return type === '"NULL"' ? 'INTEGER' : type
}

function tried(arg: TrinoValue, type: string): TrinoValue {
  if (arg.raises) throw new Refused('TRY_CAST of a value whose own calculation can fail has no translation')
  const value = converted(arg, type)
  return value.raises ? { ...value, sql: `TRY(${value.sql})`, raises: false } : value
}
