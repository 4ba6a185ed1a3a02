/** The engine's syntax tree of an expression as a small tree of calls, each with the type that the engine gives it. */
import type { SqlDialect } from '../dialect.ts'
import { quoteName, quoteText } from '../sql-names.ts'
import { Refused } from './refused.ts'

/** `digits` has no point: 1.50 is { digits: 150n, scale: 2 }. */
export type Literal =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'number'; readonly digits: bigint; readonly scale: number }
  | { readonly kind: 'double'; readonly value: number }

export interface TypedNode {
  /** a function's name in lower case, an operator ('+', '=', 'and', 'in'), 'case', 'cast', 'try_cast', 'column' or 'literal' */
  readonly op: string
  /** of 'case': condition and value in turn, then the value of ELSE */
  readonly args: readonly TypedNode[]
  /** DuckDB's type */
  readonly type: string
  /** of 'column' */
  readonly name: string
  readonly literal: Literal | null
}

/** A node of json_serialize_sql, as far as it is used. */
interface Raw {
  readonly class: string
  readonly type: string
  readonly [member: string]: unknown
}

const OPERATORS: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_GREATERTHAN: '>',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'is distinct from',
  COMPARE_NOT_DISTINCT_FROM: 'is not distinct from',
  COMPARE_BETWEEN: 'between',
  COMPARE_IN: 'in',
  COMPARE_NOT_IN: 'not in',
  CONJUNCTION_AND: 'and',
  CONJUNCTION_OR: 'or',
  OPERATOR_NOT: 'not',
  OPERATOR_IS_NULL: 'is null',
  OPERATOR_IS_NOT_NULL: 'is not null',
  OPERATOR_COALESCE: 'coalesce',
  ARRAY_EXTRACT: 'list_extract',
}

/**
 * @param text an expression that `checkExpression` has accepted
 * @param columns what it may read: name → DuckDB's type
 * @throws Refused where the tree has a part that no translation knows
 */
export async function typedTree(
  dialect: SqlDialect,
  text: string,
  columns: ReadonlyMap<string, string>,
): Promise<TypedNode> {
  const named = columns.has(text.trim()) ? quoteName(text.trim()) : text
  const relation = [...columns].map(([name, type]) => `NULL::${type} AS ${quoteName(name)}`).join(', ')
  const tree = (await dialect.parse(`SELECT (${named}\n) FROM (SELECT ${relation})`)) as {
    statements: { node: { select_list: Raw[] } }[]
  }
  forgetLocations(tree)
  const { node } = tree.statements[0]!
  const root = node.select_list[0]!
  // In the order in which build() takes them.
  const listed: Raw[] = []
  list(root, listed)
  node.select_list = listed.map((raw, at) => ({ ...raw, alias: `c${at}` }))
  const types = await dialect.describe(
    `SELECT * FROM json_execute_serialized_sql(${quoteText(JSON.stringify(tree, withFraction))})`,
  )
  const ordered = types.map(({ type }) => type)
  return build(root, ordered)
}

/** They are larger than what a number of JavaScript holds. */
function forgetLocations(value: unknown): void {
  if (value === null || typeof value !== 'object') return
  if ('query_location' in value) value.query_location = 0
  for (const part of Object.values(value)) forgetLocations(part)
}

/** JSON of JavaScript writes 1000.0 as 1000, which the engine does not take for a DOUBLE. Types do not depend on the value. */
function withFraction(_key: string, value: unknown): unknown {
  const constant = value as { type?: { id?: string }; value?: unknown } | null
  return constant?.type?.id === 'DOUBLE' && typeof constant.value === 'number' ? { ...constant, value: 0.5 } : value
}

function list(raw: Raw, listed: Raw[]): void {
  listed.push(raw)
  for (const child of childrenOf(raw)) list(child, listed)
}

function build(raw: Raw, types: string[]): TypedNode {
  const type = types.shift()!
  const args = childrenOf(raw).map((child) => build(child, types))
  const literal = raw.class === 'CONSTANT' ? literalOf(raw) : negated(raw, args)
  if (literal !== null) return { op: 'literal', args: [], type, name: '', literal }
  return { op: opOf(raw), args, type, name: ((raw.column_names as string[]) ?? []).join('.'), literal: null }
}

function childrenOf(raw: Raw): Raw[] {
  const of = (...names: string[]): Raw[] => names.map((name) => raw[name] as Raw)
  switch (raw.class) {
    case 'CASE':
      return [
        ...(raw.case_checks as { when_expr: Raw; then_expr: Raw }[]).flatMap((check) => [
          check.when_expr,
          check.then_expr,
        ]),
        ...of('else_expr'),
      ]
    case 'COMPARISON':
      return of('left', 'right')
    case 'BETWEEN':
      return of('input', 'lower', 'upper')
    case 'CAST':
      return of('child')
    default:
      return (raw.children as Raw[] | undefined) ?? []
  }
}

function opOf(raw: Raw): string {
  if (raw.class === 'FUNCTION') return (raw.function_name as string).toLowerCase()
  if (raw.class === 'COLUMN_REF') return 'column'
  if (raw.class === 'CASE') return 'case'
  if (raw.class === 'CAST') return raw.try_cast === true ? 'try_cast' : 'cast'
  const operator = OPERATORS[raw.type]
  if (operator === undefined) throw new Refused(`${raw.type.toLowerCase().replaceAll('_', ' ')} has no translation`)
  return operator
}

function literalOf(raw: Raw): Literal {
  const { type, is_null, value } = raw.value as {
    type: { id: string; type_info?: { scale?: number } | null }
    is_null: boolean
    value: unknown
  }
  if (is_null) return { kind: 'null' }
  if (typeof value === 'string') return { kind: 'text', value }
  if (typeof value === 'boolean') return { kind: 'boolean', value }
  if (type.id === 'DOUBLE' && typeof value === 'number') return { kind: 'double', value }
  if (typeof value === 'number' && Number.isSafeInteger(value))
    return { kind: 'number', digits: BigInt(value), scale: type.type_info?.scale ?? 0 }
  throw new Refused('a number of more than 15 digits has no translation')
}

/** -5 is a function of 5. */
function negated(raw: Raw, args: readonly TypedNode[]): Literal | null {
  const only = args.length === 1 && opOf(raw) === '-' ? args[0]!.literal : null
  if (only?.kind === 'number') return { ...only, digits: -only.digits }
  return only?.kind === 'double' ? { kind: 'double', value: -only.value } : null
}
