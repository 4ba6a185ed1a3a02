/**
 * The API for dataset files: what a user writes, without how it is computed. See docs/reference/definitions.md.
 * TypeScript checks texts that are bare names; everything else is checked when the file is loaded.
 */
import type { CheckedViews, ColumnIn, KeyColumn, TimeColumn } from './definition-checks.ts'
import type {
  AcceptDefinition,
  ColumnDefinition,
  ColumnType,
  DatasetDefinition,
  Duration,
  LookupDefinition,
  MeasureDefinition,
  MeasureOptions,
  RankDefinition,
  TimeUnit,
  ViewDefinition,
  WindowDefinition,
} from './definition-parts.ts'
import type { FixedGrain, Grain } from './grains.ts'

/** Number of rows (where a condition holds). */
export function count<const Where extends string = never>(
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Where>> {
  return { kind: 'count', ...options }
}
/** Sum; exact for integers and decimals, within 1e-12 of the sum of the absolute values for doubles; NULL where no row had a value. */
export function sum<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'sum', expression, ...options }
}
/** Smallest non-NULL value. */
export function min<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'min', expression, ...options }
}
/** Largest non-NULL value. */
export function max<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'max', expression, ...options }
}
/** Mean of the non-NULL values. */
export function avg<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'avg', expression, ...options }
}
/** Sum of one expression divided by the sum of another; NULL where the latter is 0 or absent. */
export function ratio<const A extends string, const B extends string, const Where extends string = never>(
  numerator: A,
  denominator: B,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>> {
  return { kind: 'ratio', expression: numerator, denominator, ...options }
}
/** The non-NULL value of the earliest row, by event time, partition, offset; of an event's unnested elements the smallest value. */
export function first<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'first', expression, ...options }
}
/** The non-NULL value of the newest row, by event time, partition, offset; of an event's unnested elements the largest value. */
export function latest<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'latest', expression, ...options }
}
/** Distinct non-NULL values: exact up to 2,048, then ±2.2 % (1 σ), which answers report; `exact: true` keeps every hash (use it if groups stay moderate in size). */
export function countDistinct<const Text extends string, const Where extends string = never>(
  expression: Text,
  options: MeasureOptions<Where> & { readonly exact?: boolean } = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'countDistinct', expression, ...options }
}
/**
 * The value at rank ⌈q · n⌉ of the n non-NULL values in ascending order (nearest rank), within 1 % of it and never outside the
 * values: for nine 10s and one 1000, `quantile('ms', 0.9)` is 10 and `quantile('ms', 0.95)` is 1000.
 */
export function quantile<const Text extends string, const Where extends string = never>(
  expression: Text,
  q: number,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'quantile', expression, q, ...options }
}

/** A window of event time: `size` long, ending at every multiple of `every`; `every` is its pane and divides `size`. */
export function sliding(window: WindowDefinition): WindowDefinition {
  return window
}

/** Adds to each answer row the attribute that a dictionary has for the row's `key` (a dimension or measure; a list gives a list). */
export function lookup<const Key extends string>(
  dictionary: string,
  key: Key,
  attribute: string,
): LookupDefinition<Key> {
  return { dictionary, key, attribute }
}

/** The argument of defineDataset: a DatasetDefinition in which every bare name is checked against the others. */
export interface CheckedDefinition<Types extends Record<string, ColumnType>, Views>
  extends Pick<DatasetDefinition, 'name' | 'label' | 'lateAfter' | 'accept' | 'raw'> {
  /** the TIMESTAMP column that is the event time */
  readonly time: TimeColumn<NoInfer<Types>>
  /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
  readonly key: KeyColumn<NoInfer<Types>>
  readonly columns: { readonly [Name in keyof Types]: ColumnDefinition<Types[Name]> }
  readonly views: Views & CheckedViews<keyof NoInfer<Types> & string, Views>
}

/** Defines a dataset; the value is plain data, `compileDataset` checks and compiles it. */
export function defineDataset<
  const Types extends Record<string, ColumnType>,
  const Views extends Readonly<Record<string, ViewDefinition>>,
>(definition: CheckedDefinition<Types, Views>): DatasetDefinition<keyof Types & string> {
  // The checks only narrow names; the value is the same plain data.
  return definition as unknown as DatasetDefinition<keyof Types & string>
}

export type {
  AcceptDefinition,
  ColumnDefinition,
  ColumnType,
  DatasetDefinition,
  Duration,
  FixedGrain,
  Grain,
  LookupDefinition,
  MeasureDefinition,
  MeasureOptions,
  RankDefinition,
  TimeUnit,
  ViewDefinition,
  WindowDefinition,
}
