/** The measures of a view, as a user writes them; core/measures/ has how each is computed. */
import type { ColumnIn } from './definition-checks.ts'
import type { FractionOptions, MeasureDefinition, MeasureOptions } from './definition-parts.ts'

/**
 * Number of rows (where a condition holds).
 *
 * @example
 * // country: 'de', 'us', NULL
 * count() // 3
 * count({ where: "country = 'de'" }) // 1
 */
export function count<const Where extends string = never>(
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Where>> {
  return { kind: 'count', ...options }
}
/**
 * Sum; exact for integers and decimals, within 1e-12 of the sum of the absolute values for doubles; NULL where no row had a value.
 *
 * @example
 * // amount: 5, 8, NULL
 * // items: 2, 1, 4
 * sum('amount') // 13
 * sum('amount * items', { where: 'items > 1' }) // 10
 */
export function sum<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'sum', expression, ...options }
}
/**
 * Smallest non-NULL value.
 *
 * @example
 * // gust: 81, 64, NULL
 * min('gust') // 64
 */
export function min<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'min', expression, ...options }
}
/**
 * Largest non-NULL value.
 *
 * @example
 * // gust: 81, 64, NULL
 * max('gust') // 81
 */
export function max<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'max', expression, ...options }
}
/**
 * Mean of the non-NULL values.
 *
 * @example
 * // amount: 5, 8, NULL
 * avg('amount') // 6.5
 */
export function avg<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: FractionOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'avg', expression, ...options }
}
/**
 * Sum of one expression divided by the sum of another; NULL where the latter is 0 or absent. It is not the mean of the rows' ratios.
 *
 * @example
 * // sold: 1, 2, 0
 * // offered: 1, 4, 3
 * ratio('sold', 'offered') // 0.375
 */
export function ratio<const A extends string, const B extends string, const Where extends string = never>(
  numerator: A,
  denominator: B,
  options: FractionOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'ratio', expression: numerator, denominator, ...options }
}
/**
 * The non-NULL value of the earliest row, by event time, partition, offset; of an event's unnested elements the smallest value.
 *
 * @example
 * // answer: NULL, 'yes', 'no'
 * first('answer') // 'yes'
 */
export function first<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'first', expression, ...options }
}
/**
 * The non-NULL value of the newest row, by event time, partition, offset; of an event's unnested elements the largest value.
 *
 * @example
 * // answer: 'yes', 'no', NULL
 * latest('answer') // 'no'
 */
export function latest<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'latest', expression, ...options }
}
/**
 * Distinct non-NULL values: exact up to 2,048, then ±2.2 % (1 σ), which answers report; `exact: true` keeps every hash (use it if
 * groups stay moderate in size).
 *
 * @example
 * // member: 7, 7, 9, NULL
 * countDistinct('member') // 2
 * countDistinct('member', { exact: true }) // 2
 */
export function countDistinct<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> & { readonly exact?: boolean } = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'countDistinct', expression, ...options }
}
/**
 * The value at rank ⌈q · n⌉ of the n non-NULL values in ascending order (nearest rank), within 1 % of it and never outside the
 * values.
 *
 * @example
 * // ms: 10, 10, 10, 10, 10, 10, 10, 10, 10, 1000
 * quantile('ms', 0.9) // 10
 * quantile('ms', 0.95) // 1000
 */
export function quantile<const Text extends string, const Where extends string = never>(
  expression: Text,
  q: number,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'quantile', expression, q, ...options }
}

/**
 * Variance of a sample: the mean square of the deviations from the mean, divided by n - 1; NULL for fewer than two values.
 *
 * @example
 * // ms: 1, 3, 5, NULL
 * varSamp('ms') // 4
 */
export function varSamp<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'varSamp', expression, ...options }
}

/**
 * Variance of all values: the mean square of their deviations from the mean.
 *
 * @example
 * // ms: 2, 4, 4, 6, NULL
 * varPop('ms') // 2
 */
export function varPop<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'varPop', expression, ...options }
}

/**
 * Standard deviation of a sample, the square root of `varSamp`; SQL also calls it stddev.
 *
 * @example
 * // ms: 1, 3, 5, NULL
 * stddevSamp('ms') // 2
 */
export function stddevSamp<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'stddevSamp', expression, ...options }
}

/**
 * Standard deviation of all values, the square root of `varPop`.
 *
 * @example
 * // ms: 2, 6, NULL
 * stddevPop('ms') // 2
 */
export function stddevPop<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'stddevPop', expression, ...options }
}

/**
 * Covariance of a sample, over rows that have both values; NULL for fewer than two.
 *
 * @example
 * // km: 1, 2, 3, 4
 * // fare: 5, 7, 9, NULL
 * covarSamp('fare', 'km') // 2
 */
export function covarSamp<const A extends string, const B extends string, const Where extends string = never>(
  dependent: A,
  independent: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'covarSamp', expression: dependent, second: independent, ...options }
}

/**
 * Covariance of all rows that have both values.
 *
 * @example
 * // km: 1, 3
 * // fare: 5, 9
 * covarPop('fare', 'km') // 2
 */
export function covarPop<const A extends string, const B extends string, const Where extends string = never>(
  dependent: A,
  independent: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'covarPop', expression: dependent, second: independent, ...options }
}

/**
 * Correlation (Pearson), from -1 to 1, over rows that have both values; NULL where one of them does not vary.
 *
 * @example
 * // km: 1, 2, 3, 4
 * // fare: 5, 7, 9, NULL
 * corr('fare', 'km') // 1
 */
export function corr<const A extends string, const B extends string, const Where extends string = never>(
  dependent: A,
  independent: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'corr', expression: dependent, second: independent, ...options }
}

/**
 * Slope of the regression line: by how much the dependent value grows with each unit of the independent one.
 *
 * @example
 * // km: 1, 2, 3, 4
 * // fare: 5, 7, 9, NULL
 * regrSlope('fare', 'km') // 2
 */
export function regrSlope<const A extends string, const B extends string, const Where extends string = never>(
  dependent: A,
  independent: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'regrSlope', expression: dependent, second: independent, ...options }
}

/**
 * The value of the row in which `by` is greatest, of rows that have both; among equal ones the greatest value.
 *
 * @example
 * // station: 'Brocken', 'Zugspitze', 'Feldberg', NULL
 * // gust: 81, 64, 81, 99
 * maxBy('station', 'gust') // 'Feldberg'
 */
export function maxBy<const A extends string, const B extends string, const Where extends string = never>(
  expression: A,
  by: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'maxBy', expression, second: by, ...options }
}

/**
 * The value of the row in which `by` is smallest, of rows that have both; among equal ones the smallest value.
 *
 * @example
 * // station: 'Brocken', 'Zugspitze', 'Feldberg', NULL
 * // gust: 81, 64, 81, 99
 * minBy('station', 'gust') // 'Zugspitze'
 */
export function minBy<const A extends string, const B extends string, const Where extends string = never>(
  expression: A,
  by: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'minBy', expression, second: by, ...options }
}

/**
 * How many values are in each bin: up to the first bound, above it up to the second, …, and above the last one. A bound belongs to the bin that
 * it ends.
 *
 * @example
 * // ms: 5, 10, 11, 250, NULL
 * histogram('ms', [10, 100]) // [2, 1, 1]
 */
export function histogram<const Text extends string, const Where extends string = never>(
  expression: Text,
  bounds: readonly number[],
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'histogram', expression, bounds, ...options }
}

/**
 * Whether a condition is true in every row that has one; NULL where none has.
 *
 * @example
 * // gust: 81, 64, NULL
 * boolAnd('gust > 60') // true
 * boolAnd('gust > 70') // false
 */
export function boolAnd<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'boolAnd', expression, ...options }
}

/**
 * Whether a condition is true in any row; NULL where none has one.
 *
 * @example
 * // gust: 81, 64, NULL
 * boolOr('gust > 70') // true
 * boolOr('gust > 90') // false
 */
export function boolOr<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'boolOr', expression, ...options }
}
