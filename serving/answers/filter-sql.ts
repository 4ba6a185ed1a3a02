/**
 * Filters on dimensions. A value that is none of the dimension's type is refused: converting it silently would round it
 * ('5.5' to 6), or find nothing where the answer should have been an error.
 */
import type { SqlColumn } from '#core/compiled.ts'
import { type Filter, type FilterOperator, QUERY_LIMITS } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import type { BoundValues } from './bound-values.ts'
import { QueryError } from './query-error.ts'
import { timeTextMs, timeTextUs } from './time-text.ts'

const COMPARISONS = { eq: '=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const
const WITHOUT_VALUE: readonly FilterOperator[] = ['null', 'notnull']
/** bits of the engine's whole numbers */
const WHOLE_BITS: Readonly<Record<string, number>> = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64, HUGEINT: 128 }

/** @throws QueryError for more than the limits, an operator that the type does not have, or a value that is none of it */
export function checkFilter(dimension: SqlColumn, filter: Filter): void {
  const { operator, values } = filter
  const { filterValuesMax, filterValueCharsMax } = QUERY_LIMITS
  const refuse = (why: string): never => {
    throw new QueryError('filter', `${dimension.name}:${operator}: ${why}`)
  }
  if (WITHOUT_VALUE.includes(operator)) {
    if (values.length > 0) refuse('takes no value')
    return
  }
  if (values.length === 0) refuse(`a value is missing; write ${dimension.name}:${operator}:<value>`)
  if (values.length > filterValuesMax) refuse(`at most filterValuesMax = ${filterValuesMax} values`)
  if (operator !== 'in' && values.length > 1) refuse('takes one value; for several use in')
  for (const value of values) {
    if (value.length > filterValueCharsMax)
      refuse(`a value has at most filterValueCharsMax = ${filterValueCharsMax} characters`)
    const problem =
      operator === 'contains' ? containsProblem(dimension.type, value) : valueProblem(dimension.type, value)
    if (problem) refuse(problem)
  }
}

/** SQL condition over state rows; the filter has been checked. `ne` is true for rows without a value, too. */
export function filterSql(dimension: SqlColumn, filter: Filter, bound: BoundValues): string {
  const name = quoteName(dimension.name)
  const value = (text: string): string => typedSql(dimension.type, text, bound)
  switch (filter.operator) {
    case 'null':
      return `${name} IS NULL`
    case 'notnull':
      return `${name} IS NOT NULL`
    case 'ne':
      return `${name} IS DISTINCT FROM ${value(filter.values[0]!)}`
    case 'in':
      return `${name} IN (${filter.values.map(value).join(', ')})`
    case 'contains':
      return dimension.type === 'VARCHAR'
        ? `contains(lower(${name}), lower(${bound.bind(filter.values[0]!)}::VARCHAR))`
        : `list_contains(${name}, ${typedSql(dimension.type.slice(0, -2), filter.values[0]!, bound)})`
    default:
      return `${name} ${COMPARISONS[filter.operator]} ${value(filter.values[0]!)}`
  }
}

function containsProblem(type: string, value: string): string | null {
  if (type === 'VARCHAR') return null
  return type.endsWith('[]') ? valueProblem(type.slice(0, -2), value) : `needs a text or a list, this is ${type}`
}

/** Why the text is no value of the type; null when it is one. */
function valueProblem(type: string, value: string): string | null {
  const bits = WHOLE_BITS[type] ?? WHOLE_BITS[type.slice(1)]
  if (bits !== undefined)
    return isWhole(value, bits, type.startsWith('U')) ? null : `'${value}' is no whole number of type ${type}`
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type)
  if (decimal) return isDecimal(value, Number(decimal[1]), Number(decimal[2])) ? null : `'${value}' is no ${type}`
  switch (type) {
    case 'VARCHAR':
    case 'JSON':
      return null
    case 'DOUBLE':
    case 'FLOAT':
      return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(value) ? null : `'${value}' is no number`
    case 'BOOLEAN':
      return value === 'true' || value === 'false' ? null : `'${value}' is neither true nor false`
    case 'TIMESTAMP':
      return timeTextUs(value) === null ? `'${value}' is no time; write 2026-01-31T12:00:00Z` : null
    case 'DATE':
      return /^\d{4}-\d\d-\d\d$/.test(value) && timeTextMs(value) !== null
        ? null
        : `'${value}' is no date; write 2026-01-31`
    default:
      return `a dimension of type ${type} can only be filtered with ${type.endsWith('[]') ? 'contains, ' : ''}null and notnull`
  }
}

function isWhole(value: string, bits: number, unsigned: boolean): boolean {
  if (!/^-?\d{1,39}$/.test(value)) return false
  const whole = BigInt(value)
  return (unsigned ? BigInt.asUintN(bits, whole) : BigInt.asIntN(bits, whole)) === whole
}

function isDecimal(value: string, precision: number, scale: number): boolean {
  const match = /^-?(\d+)(?:\.(\d+))?$/.exec(value)
  return match !== null && match[1]!.length <= precision - scale && (match[2]?.length ?? 0) <= scale
}

function typedSql(type: string, value: string, bound: BoundValues): string {
  if (type === 'TIMESTAMP') return `make_timestamp(${bound.bind(timeTextUs(value)!)}::BIGINT)`
  return `CAST(${bound.bind(value)}::VARCHAR AS ${type})`
}
