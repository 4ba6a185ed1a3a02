import { decimalOf } from '../stored-value.ts'
import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/** Why the bounds of a histogram cannot be used, as a sentence; null if they can. */
export function whyBoundsUnusable(bounds: readonly number[]): string | null {
  if (bounds.length === 0 || bounds.length > HISTOGRAM_BOUNDS_MAX)
    return `a histogram must have 1 to ${HISTOGRAM_BOUNDS_MAX} bounds`
  const wrong = bounds.find((bound, at) => !Number.isFinite(bound) || (at > 0 && bound <= bounds[at - 1]!))
  return wrong === undefined ? null : `the bounds of a histogram must be finite and ascending, but ${wrong} is not`
}

export const HISTOGRAM_BOUNDS_MAX = 64

/**
 * How many values are in each bin: up to and including the first bound, above it up to the second, …, and above the last. Counts add up, bin by
 * bin: associative and commutative, with the zero of no values. Its counts could be subtracted, but nothing subtracts lists.
 */
export function histogramSql({ definition, type, x, s }: MeasureInput): MeasureSql {
  const bounds = definition.bounds ?? []
  const b = s('b')
  const conditions = [...bounds, null].map((bound, at) => {
    const above = at === 0 ? [] : [comparedSql(x, type, '>', bounds[at - 1]!)]
    return [...above, ...(bound === null ? [] : [comparedSql(x, type, '<=', bound)])].join(' AND ') || 'true'
  })
  const places = conditions.map((_, at) => at + 1)
  return {
    ...SCALAR,
    state: [{ name: b, type: 'BIGINT[]' }],
    type: 'BIGINT[]',
    exactness: { kind: 'exact' },
    invertible: 'no',
    partial: [`[${conditions.map((condition) => `count(*) FILTER (WHERE ${condition})`).join(', ')}]`],
    merge: [`[${places.map((place) => `sum(${b}[${place}])::BIGINT`).join(', ')}]`],
    present: b,
    recount: `list_transform(range(1, ${places.length + 1}), lambda _b: len(list_filter(list(${binSql(x, type, bounds)}), lambda _x: _x = _b)))`,
  }
}

/** SQL: the number of the value's bin, from 1; NULL for none. */
function binSql(x: string, type: string, bounds: readonly number[]): string {
  const cases = bounds.map((bound, at) => `WHEN ${comparedSql(x, type, '<=', bound)} THEN ${at + 1}`)
  return `CASE WHEN ${x} IS NULL THEN NULL ${cases.join(' ')} ELSE ${bounds.length + 1} END`
}

/**
 * The engine compares a decimal with a bound in a DECIMAL that holds the larger scale, and fails for a value that this one cannot hold.
 * Where that could happen, both are compared as doubles: values keep their order, so bins neither overlap nor have gaps.
 */
function comparedSql(x: string, type: string, operator: '>' | '<=', bound: number): string {
  const text = numberText(bound)
  return isComparedExactly(type, bound) ? `${x} ${operator} ${text}` : `${x}::DOUBLE ${operator} ${text}::DOUBLE`
}

/** Whether values of the type are compared with the bound as they are, and not as doubles. */
export function isComparedExactly(type: string, bound: number): boolean {
  return fits(type, String(bound))
}

/** Whether one DECIMAL can hold all values of the type and the bound. A bound with an exponent is a double anyway. */
function fits(type: string, bound: string): boolean {
  const [, whole, fraction = ''] = /^-?(\d+)(?:\.(\d+))?$/.exec(bound) ?? []
  const decimal = decimalOf(type) ?? (type in INTEGER_DIGITS ? { digits: INTEGER_DIGITS[type]!, scale: 0 } : null)
  if (whole === undefined || decimal === null) return true
  const { digits, scale } = decimal
  return Math.max(digits - scale, whole.length) + Math.max(scale, fraction.length) <= DECIMAL_DIGITS_MAX
}

const DECIMAL_DIGITS_MAX = 38

const INTEGER_DIGITS: Readonly<Record<string, number>> = {
  UTINYINT: 3,
  TINYINT: 3,
  USMALLINT: 5,
  SMALLINT: 5,
  UINTEGER: 10,
  INTEGER: 10,
  UBIGINT: 20,
  BIGINT: 19,
}

/** Compared with a decimal or an integer exactly where it is written without an exponent. */
export function numberText(bound: number): string {
  const text = String(bound)
  return bound < 0 ? `(${text})` : text
}
