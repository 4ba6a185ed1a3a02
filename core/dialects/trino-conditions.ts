/** Comparisons, and what chooses between values. */
import { Refused } from './refused.ts'
import { converted, digitsOf, isInteger } from './trino-casts.ts'
import { type Call, inherited, type Rule, type TrinoValue, trinoValue } from './trino-value.ts'

/** Digits that a comparison of decimals may need. */
const DECIMAL_DIGITS_MAX = 38

/** The type in which DuckDB compares the values. @throws Refused where it is not the same on Trino */
function comparedType(values: readonly TrinoValue[]): string {
  const own = values.filter(({ literal }) => literal?.kind !== 'text' && literal?.kind !== 'null')
  const types = [...new Set((own.length === 0 ? values : own).map(({ type }) => type))]
  const [first] = types as [string]
  if (first.endsWith('[]') || first === 'JSON') throw new Refused(`${first} is not compared in the same way`)
  if (types.length === 1) return first
  if (types.every((type) => digitsOf(type) !== null || type === 'DOUBLE')) {
    if (types.includes('DOUBLE')) return 'DOUBLE'
    if (types.every(isInteger)) return ['BIGINT', 'INTEGER', 'SMALLINT'].find((type) => types.includes(type))!
    const sizes = types.map((type) => digitsOf(type)!)
    const scale = Math.max(...sizes.map((size) => size.scale))
    const digits = scale + Math.max(...sizes.map((size) => size.digits - size.scale))
    if (digits <= DECIMAL_DIGITS_MAX) return `DECIMAL(${digits},${scale})`
  }
  if (types.every((type) => type === 'DATE' || type === 'TIMESTAMP')) return 'TIMESTAMP'
  throw new Refused(`${types.join(' and ')} are not compared in the same way; cast one of them`)
}

function compared(values: readonly TrinoValue[]): readonly TrinoValue[] {
  const type = comparedType(values)
  return values.map((value) => converted(value, type))
}

/** NaN is the greatest value of DuckDB, and equal to itself. */
function comparison(op: string, a: TrinoValue, b: TrinoValue): string {
  if (!a.notNumber && !b.notNumber) return `(${a.sql} ${op} ${b.sql})`
  const [x, y] = [a.sql, b.sql]
  const nan = (value: TrinoValue): string => (value.notNumber ? `is_nan(${value.sql})` : 'false')
  const cases: Readonly<Record<string, string>> = {
    '=': `WHEN ${nan(a)} OR ${nan(b)} THEN ${nan(a)} AND ${nan(b)}`,
    '<>': `WHEN ${nan(a)} OR ${nan(b)} THEN NOT (${nan(a)} AND ${nan(b)})`,
    '<': `WHEN ${nan(a)} THEN false WHEN ${nan(b)} THEN true`,
    '>=': `WHEN ${nan(a)} THEN true WHEN ${nan(b)} THEN false`,
    '>': `WHEN ${nan(b)} THEN false WHEN ${nan(a)} THEN true`,
    '<=': `WHEN ${nan(b)} THEN true WHEN ${nan(a)} THEN false`,
  }
  return `(CASE WHEN ${x} IS NULL OR ${y} IS NULL THEN NULL ${cases[op]} ELSE ${x} ${op} ${y} END)`
}

/** @throws Refused where the error of one value gets lost, because another one is a constant */
function keepErrors(values: readonly TrinoValue[]): void {
  if (values.some(({ literal }) => literal !== null) && values.some(({ losesError }) => losesError === 'compared'))
    throw new Refused(
      'a number that can overflow is not compared with a constant in the same way, because DuckDB moves constants to one side and leaves casts out; write it so: i > 4 instead of i + 1 > 5',
    )
}

const compare: Rule = ({ op, args }) => {
  keepErrors(args)
  const [a, b] = compared(args) as [TrinoValue, TrinoValue]
  return trinoValue(comparison(op, a, b), 'BOOLEAN', { raises: a.raises || b.raises })
}

const distinct: Rule = ({ op, args }) => {
  keepErrors(args)
  const [a, b] = compared(args) as [TrinoValue, TrinoValue]
  if (a.notNumber || b.notNumber) throw new Refused(`${op} of values that may be NaN has no translation`)
  return trinoValue(`(${a.sql} ${op.toUpperCase()} ${b.sql})`, 'BOOLEAN', { raises: a.raises || b.raises })
}

/** DuckDB evaluates all parts, also where the first decides, unless CASE chooses by it; an ARRAY does so, too. */
function together(op: 'and' | 'or', parts: readonly TrinoValue[]): TrinoValue {
  const { raises = false } = inherited(parts)
  const texts = parts.map(({ sql }) => sql)
  const sql = raises
    ? `${op === 'and' ? 'all_match' : 'any_match'}(ARRAY[${texts.join(', ')}], x -> x)`
    : `(${texts.join(` ${op.toUpperCase()} `)})`
  return trinoValue(sql, 'BOOLEAN', { raises, losesError: raises ? 'chosen' : null })
}

const between: Rule = ({ args }) => {
  keepErrors(args)
  const [x, low, high] = compared(args) as [TrinoValue, TrinoValue, TrinoValue]
  const part = (op: string, bound: TrinoValue): TrinoValue =>
    trinoValue(comparison(op, x, bound), 'BOOLEAN', { raises: x.raises || bound.raises })
  return together('and', [part('>=', low), part('<=', high)])
}

const among: Rule = ({ op, args }) => {
  const values = compared(args)
  const [x, ...others] = values as [TrinoValue, ...TrinoValue[]]
  const { raises, notNumber } = inherited(values)
  if (!raises && !notNumber)
    return trinoValue(`(${x.sql} ${op.toUpperCase()} (${others.map(({ sql }) => sql).join(', ')}))`, 'BOOLEAN')
  const any = together(
    'or',
    others.map((other) => trinoValue(comparison('=', x, other), 'BOOLEAN', { raises: x.raises || other.raises })),
  )
  return op === 'in' ? any : { ...any, sql: `(NOT ${any.sql})` }
}

const not: Rule = ({ args, type }) => trinoValue(`(NOT ${condition(args[0]!).sql})`, type, inherited(args))

/** A condition that is not BOOLEAN is converted. */
function condition(value: TrinoValue): TrinoValue {
  return converted(value, 'BOOLEAN')
}

const isNull: Rule = ({ op, args, type }) => {
  const [a] = args as [TrinoValue]
  return trinoValue(`(${a.sql} ${op.toUpperCase()})`, type, { raises: a.raises })
}

const choose: Rule = ({ op, args, type }) => {
  const cases = args.slice(0, -1)
  if (cases.some(({ losesError }, at) => at % 2 === 0 && losesError === 'chosen'))
    throw new Refused(`${op} by AND, OR or BETWEEN of what can fail: DuckDB evaluates only as much of it as decides`)
  const values = args.map((arg, at) => (at % 2 === 1 || at === args.length - 1 ? converted(arg, type) : condition(arg)))
  const whens = cases.flatMap((_, at) => (at % 2 === 0 ? [`WHEN ${values[at]!.sql} THEN ${values[at + 1]!.sql}`] : []))
  return trinoValue(`(CASE ${whens.join(' ')} ELSE ${values.at(-1)!.sql} END)`, type, inherited(values))
}

const coalesce: Rule = ({ args, type }) => {
  const values = args.map((arg) => converted(arg, type))
  return trinoValue(`coalesce(${values.map(({ sql }) => sql).join(', ')})`, type, inherited(values))
}

const nullif: Rule = ({ args, type }) => {
  const [x] = args as [TrinoValue]
  const [a, b] = compared(args) as [TrinoValue, TrinoValue]
  const value = converted(x, type)
  const { raises } = inherited([a, b, value])
  return trinoValue(`(CASE WHEN ${comparison('=', a, b)} THEN NULL ELSE ${value.sql} END)`, type, {
    ...inherited([value]),
    raises,
  })
}

function all(op: 'and' | 'or'): Rule {
  return ({ args }: Call) => together(op, args.map(condition))
}

export const CONDITION_RULES: Readonly<Record<string, Rule | string>> = {
  ...Object.fromEntries(['=', '<>', '<', '>', '<=', '>='].map((op) => [op, compare])),
  'is distinct from': distinct,
  'is not distinct from': distinct,
  and: all('and'),
  or: all('or'),
  not,
  between,
  in: among,
  'not in': among,
  'is null': isNull,
  'is not null': isNull,
  case: choose,
  if: choose,
  coalesce,
  ifnull: coalesce,
  nullif,
}
