/**
 * The columns of a series: calculations over the merged rows of a view, in the order of their times. `expression` is one over the view's
 * measures and the series' other columns; `rows` counts rows of the same key. How each is computed: docs/reference/definitions.md.
 */
import type { ColumnIn } from './definition-checks.ts'
import type { SeriesColumnDefinition, SeriesColumnKind, SeriesColumnOptions, UsualOptions } from './definition-parts.ts'

type Column<Text extends string> = SeriesColumnDefinition<ColumnIn<Text>>

function column<Text extends string>(
  kind: SeriesColumnKind,
  expression: Text,
  rows: number | undefined,
  options: SeriesColumnOptions,
): Column<Text> {
  return { kind, expression, ...(rows === undefined ? {} : { rows }), ...options }
}

/**
 * Arithmetic over measures and other columns, with a label; without one, the text itself is enough.
 *
 * @example
 * // sma: 10, 12
 * // sd: 1, 2
 * calculate('sma + 2 * sd', { label: 'Upper band' }) // 12, 16
 */
export function calculate<const Text extends string>(
  expression: Text,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('expression', expression, undefined, options)
}
/**
 * The value `rows` rows before; NULL where there are not so many.
 *
 * @example
 * // close: 10, 12, 9
 * lag('close') // NULL, 10, 12
 */
export function lag<const Text extends string>(
  expression: Text,
  rows = 1,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('lag', expression, rows, options)
}
/**
 * The value minus the one `rows` rows before.
 *
 * @example
 * // close: 10, 12, 9
 * difference('close') // NULL, 2, -3
 */
export function difference<const Text extends string>(
  expression: Text,
  rows = 1,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('difference', expression, rows, options)
}
/**
 * The relative change against `rows` rows before, as a fraction; NULL where that value is 0.
 *
 * @example
 * // close: 10, 12, 9
 * returns('close') // NULL, 0.2, -0.25
 */
export function returns<const Text extends string>(
  expression: Text,
  rows = 1,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('returns', expression, rows, options)
}
/**
 * Mean of the values of the last `rows` rows, this one included; NULL where there are fewer rows.
 *
 * @example
 * // close: 10, 12, 9
 * movingAverage('close', 2) // NULL, 11, 10.5
 */
export function movingAverage<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingAverage', expression, rows, options)
}
/**
 * Sum of the values of the last `rows` rows, this one included; NULL where there are fewer rows.
 *
 * @example
 * // sold: 10, 12, 9
 * movingSum('sold', 2) // NULL, 22, 21
 */
export function movingSum<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingSum', expression, rows, options)
}
/**
 * Smallest value of the last `rows` rows, this one included; NULL where there are fewer rows.
 *
 * @example
 * // low: 10, 12, 9
 * movingMin('low', 2) // NULL, 10, 9
 */
export function movingMin<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingMin', expression, rows, options)
}
/**
 * Largest value of the last `rows` rows, this one included; NULL where there are fewer rows.
 *
 * @example
 * // high: 10, 12, 9
 * movingMax('high', 2) // NULL, 12, 12
 */
export function movingMax<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingMax', expression, rows, options)
}
/**
 * Sample standard deviation (divided by n - 1, SQL's stddev) of the last `rows` rows; NULL where there are fewer rows.
 *
 * @example
 * // close: 10, 12, 9
 * movingStddev('close', 2) // NULL, 1.414, 2.121
 */
export function movingStddev<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingStddev', expression, rows, options)
}
/**
 * Population standard deviation (divided by n, SQL's stddev_pop) of the last `rows` rows: that of Bollinger bands.
 *
 * @example
 * // close: 10, 12, 9
 * movingStddevPop('close', 2) // NULL, 1, 1.5
 */
export function movingStddevPop<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('movingStddevPop', expression, rows, options)
}
/**
 * How many rows ago the largest value of the last `rows` rows was, the newest of equal ones: 0 is this row.
 *
 * @example
 * // high: 10, 12, 9, 8
 * rowsSinceMax('high', 3) // NULL, NULL, 1, 2
 * // Aroon up of 25 bars: 100 * (25 - rowsSinceMax('high', 26)) / 25
 */
export function rowsSinceMax<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('rowsSinceMax', expression, rows, options)
}
/**
 * How many rows ago the smallest value of the last `rows` rows was, the newest of equal ones: 0 is this row.
 *
 * @example
 * // low: 10, 12, 9, 11
 * rowsSinceMin('low', 3) // NULL, NULL, 0, 1
 */
export function rowsSinceMin<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('rowsSinceMin', expression, rows, options)
}
/**
 * Exponential moving average with the weight 2 / (rows + 1), which begins with the mean of the first `rows` values.
 *
 * @example
 * // close: 10, 12, 9
 * ema('close', 2) // NULL, 11, 9.667
 */
export function ema<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('ema', expression, rows, options)
}
/**
 * Wilder's smoothed average: exponential with the weight 1 / rows, which begins with the mean of the first `rows` values.
 *
 * @example
 * // true_range: 10, 12, 9
 * wilderAverage('true_range', 2) // NULL, 11, 10
 */
export function wilderAverage<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('wilderAverage', expression, rows, options)
}
/**
 * Wilder's relative strength index of the changes from row to row, 0 to 100; NULL before `rows` changes, and where nothing changed.
 *
 * @example
 * // close: 10, 12, 9
 * rsi('close', 2) // NULL, NULL, 40
 */
export function rsi<const Text extends string>(
  expression: Text,
  rows: number,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('rsi', expression, rows, options)
}
/**
 * Mean of the values at the same time of the week (or day …) before: `times` of them, `every` from one to the next. A time without a row
 * counts as 0; times before the first row of the whole view are left out, and NULL is what is left of none.
 *
 * @example
 * // sold: 10, NULL, 20, 60
 * usual('sold', { every: '1d', times: 2 }) // NULL, 10, 5, 10
 */
export function usual<const Text extends string>(expression: Text, options: UsualOptions): Column<Text> {
  return { kind: 'usual', expression, ...options }
}
/**
 * Sum of all values so far, from the key's first row of all time on.
 *
 * @example
 * // sold: 10, 12, 9
 * cumulativeSum('sold') // 10, 22, 31
 */
export function cumulativeSum<const Text extends string>(
  expression: Text,
  options: SeriesColumnOptions = {},
): Column<Text> {
  return column('cumulativeSum', expression, undefined, options)
}
/**
 * The value as a fraction of the sum over all keys at the same time.
 *
 * @example
 * // sold, of two keys at one time: 1, 3
 * share('sold') // 0.25, 0.75
 */
export function share<const Text extends string>(expression: Text, options: SeriesColumnOptions = {}): Column<Text> {
  return column('share', expression, undefined, options)
}
/**
 * Rank of the value among all keys at the same time: 1 is the largest; equal values have the same rank, and ranks after them are left out.
 *
 * @example
 * // sold, of three keys at one time: 1, 3, 1
 * rank('sold') // 2, 1, 2
 */
export function rank<const Text extends string>(expression: Text, options: SeriesColumnOptions = {}): Column<Text> {
  return column('rank', expression, undefined, options)
}
