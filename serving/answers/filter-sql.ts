/**
 * Filters on dimensions and, as `having`, on measures. A value that is not of the column's type is refused: a silent conversion would
 * round it ('5.5' to 6) or match nothing, where the caller needs an error.
 */
import type { SqlColumn } from '#core/compiled.ts'
import { type Comparison, type FilterOperator, QUERY_LIMITS } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'
import { QueryError } from './query-error.ts'
import { timeTextMs, timeTextUs } from './time-text.ts'

const COMPARISONS = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const
const WITHOUT_VALUE: readonly FilterOperator[] = ['null', 'notnull']
const FLOAT_MAX = 3.4028234663852886e38
/** bits of the engine's integer types */
const WHOLE_BITS: Readonly<Record<string, number>> = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64, HUGEINT: 128 }

/** The parameters that hold filters. */
export type FilterField = 'filter' | 'having'

/** @throws QueryError if a limit is exceeded, the type does not support the operator, or a value is not of the type */
export function checkFilter(column: SqlColumn, { operator, values }: Comparison, field: FilterField = 'filter'): void {
  const { filterValuesMax, filterValueCharsMax } = QUERY_LIMITS
  const refuse = (why: string): never => {
    throw new QueryError(field, `${column.name}:${operator}: ${why}`)
  }
  if (WITHOUT_VALUE.includes(operator)) {
    if (values.length > 0) refuse('takes no value')
    return
  }
  if (values.length === 0)
    refuse(`the value is missing; write ${column.name}:${operator}:<value>, or as JSON, ${jsonForm(operator)}`)
  if (values.length > filterValuesMax) refuse(`has more than filterValuesMax = ${filterValuesMax} values`)
  if (operator !== 'in' && values.length > 1) refuse("takes one value; use 'in' for several")
  for (const value of values) {
    if (value.length > filterValueCharsMax)
      refuse(`a value is longer than filterValueCharsMax = ${filterValueCharsMax} characters`)
    // The engine would take another character for it.
    if (!value.isWellFormed()) refuse('a value is not well-formed Unicode')
    const problem = operator === 'contains' ? containsProblem(column.type, value) : valueProblem(column.type, value)
    if (problem) refuse(problem)
  }
}

function jsonForm(operator: FilterOperator): string {
  return `"operator": "${operator}", ${operator === 'in' ? '"values": [<value>, …]' : '"value": <value>'}`
}

/** SQL condition over rows that have the column, for a checked filter. `ne`, and `in` with `orNull`, also match rows without a value. */
export function filterSql(column: SqlColumn, filter: Comparison, bound: BoundValues): string {
  const name = quoteName(column.name)
  const value = (text: string): string => typedSql(column.type, text, bound)
  switch (filter.operator) {
    case 'null':
      return `${name} IS NULL`
    case 'notnull':
      return `${name} IS NOT NULL`
    case 'ne':
      return `${name} IS DISTINCT FROM ${value(filter.values[0]!)}`
    case 'in': {
      const isIn = `${name} IN (${filter.values.map(value).join(', ')})`
      return filter.orNull ? `(${name} IS NULL OR ${isIn})` : isIn
    }
    case 'contains':
      return column.type === 'VARCHAR'
        ? `contains(${foldedSql(name)}, ${foldedSql(`${bound.bind(filter.values[0]!)}::VARCHAR`)})`
        : `list_contains(${name}, ${typedSql(column.type.slice(0, -2), filter.values[0]!, bound)})`
    default:
      return `${name} ${COMPARISONS[filter.operator]} ${value(filter.values[0]!)}`
  }
}

/** Without differences of case or of Unicode normal form. Upper case first: σ and ς, µ and μ have one upper case. */
function foldedSql(text: string): string {
  return `lower(upper(nfc_normalize(${text})))`
}

function containsProblem(type: string, value: string): string | null {
  if (type === 'VARCHAR') return null
  return type.endsWith('[]')
    ? valueProblem(type.slice(0, -2), value)
    : `requires a VARCHAR or a list, but this column has type ${type}`
}

/** Why the text is not a value of the type; null if it is one. */
function valueProblem(type: string, value: string): string | null {
  const bits = WHOLE_BITS[type] ?? WHOLE_BITS[type.slice(1)]
  if (bits !== undefined)
    return isWhole(shortest(type, value), bits, type.startsWith('U'))
      ? null
      : `'${value}' is not an integer of type ${type}`
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type)
  if (decimal)
    return isDecimal(shortest(type, value), Number(decimal[1]), Number(decimal[2]))
      ? null
      : `'${value}' is not a ${type}`
  switch (type) {
    case 'VARCHAR':
    case 'JSON':
      return null
    case 'DOUBLE':
    case 'FLOAT':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(value)) return `'${value}' is not a number`
      return Math.abs(Number(value)) <= (type === 'FLOAT' ? FLOAT_MAX : Number.MAX_VALUE)
        ? null
        : `'${value}' is larger than a ${type} can be`
    case 'BOOLEAN':
      return value === 'true' || value === 'false' ? null : `'${value}' is not true or false`
    case 'TIMESTAMP':
      return timeTextUs(value) === null ? `'${value}' is not a time (example: 2026-01-31T12:00:00Z)` : null
    case 'DATE':
      return /^\d{4}-\d\d-\d\d$/.test(value) && timeTextMs(value) !== null
        ? null
        : `'${value}' is not a date (example: 2026-01-31)`
    default:
      return `a column of type ${type} supports only the operators ${type.endsWith('[]') ? 'contains, ' : ''}null and notnull`
  }
}

/** A whole or decimal number without zeros at the end of its fraction: 1.0 and 0.1000 are what 1 and 0.1 are. */
function shortest(type: string, value: string): string {
  const isExact = type in WHOLE_BITS || type.slice(1) in WHOLE_BITS || type.startsWith('DECIMAL(')
  return isExact ? value.replace(/^(-?\d+)(?:\.0+|(\.\d*?[1-9])0+)$/, '$1$2') : value
}

function isWhole(value: string, bits: number, unsigned: boolean): boolean {
  if (!/^-?\d{1,39}$/.test(value)) return false
  const whole = BigInt(value)
  return (unsigned ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole)) === whole
}

function isDecimal(value: string, precision: number, scale: number): boolean {
  const match = /^-?(?=\d)0*(\d*)(?:\.(\d+))?$/.exec(value)
  return match !== null && match[1]!.length <= precision - scale && (match[2]?.length ?? 0) <= scale
}

/** A checked value of a filter, in the column's type. */
export function typedSql(type: string, value: string, bound: BoundValues): string {
  if (type === 'TIMESTAMP') return `make_timestamp(${bound.bind(timeTextUs(value)!)}::BIGINT)`
  return `CAST(${bound.bind(shortest(type, value))}::VARCHAR AS ${type})`
}
