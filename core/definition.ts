/**
 * The API for dataset files: what a user writes, without how it is computed. See docs/reference/definitions.md.
 * TypeScript checks texts that are bare names; everything else is checked when the file is loaded.
 */
import type { LIST_TYPES, SCALAR_TYPES, TIME_UNITS } from './column-types.ts'
import type { CheckedViews, ColumnIn, KeyColumn, TimeColumn } from './definition-checks.ts'
import type { FixedGrain, Grain } from './grains.ts'

type ListType = (typeof LIST_TYPES)[number]
/** SQL types a column may have. */
export type ColumnType = (typeof SCALAR_TYPES)[number] | `DECIMAL(${number},${number})` | ListType

/** JSON encoding of a time: seconds, milliseconds or microseconds since 1970, or ISO 8601 text. */
export type TimeUnit = (typeof TIME_UNITS)[number]

type Scalar = string | number | boolean
/** Values that the JSON of an event can have at the path of a column of this type. */
type DefaultOf<Type extends ColumnType> = Type extends 'BOOLEAN'
  ? boolean
  : Type extends 'VARCHAR' | 'DATE'
    ? string
    : Type extends 'JSON'
      ? Scalar
      : Type extends 'DOUBLE'
        ? number
        : Type extends ListType
          ? readonly Scalar[]
          : number | string

export interface ColumnDefinition<Type extends ColumnType = ColumnType> {
  readonly type: Type
  /** JSON path: $.a.b for members, $.a[*].b for every element of an array (the type is then a list); quote odd names: $."a b" */
  readonly path: string
  /** an event without a usable value is a dead letter */
  readonly required?: boolean
  /** value if the event has none, or one that cannot be converted; written as in the event */
  readonly default?: DefaultOf<Type>
  /** only for TIMESTAMP; default 'iso' */
  readonly unit?: Type extends 'TIMESTAMP' ? TimeUnit : never
  readonly label?: string
}

export interface MeasureOptions<Where extends string = string> {
  /** SQL condition over the columns: only rows where it is true are aggregated */
  readonly where?: Where
  readonly label?: string
}

export interface MeasureDefinition<Column extends string = string> {
  readonly kind: 'count' | 'sum' | 'min' | 'max' | 'avg' | 'ratio' | 'first' | 'latest' | 'countDistinct' | 'quantile'
  readonly expression?: string
  readonly denominator?: string
  readonly where?: string
  readonly label?: string
  /** countDistinct: keep every hash instead of the smallest 2,048 */
  readonly exact?: boolean
  /** quantile: 0 … 1 */
  readonly q?: number
  /** only for TypeScript: the columns that bare names refer to */
  readonly column?: Column
}

/** Number of rows (where a condition holds). */
export function count<const Where extends string = never>(
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Where>> {
  return { kind: 'count', ...options }
}
/** Sum; exact for integers and decimals, within 1e-9 relative for doubles; NULL where no row had a value. */
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
/** The value below which the fraction `q` of the values lies, within 1 % relative. */
export function quantile<const Text extends string, const Where extends string = never>(
  expression: Text,
  q: number,
  options: MeasureOptions<Where> = {},
): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>> {
  return { kind: 'quantile', expression, q, ...options }
}

/** A length of time: '500ms', '10s', '5m', '1h', '1d'. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

export interface WindowDefinition {
  readonly size: Duration
  readonly every: Duration
}
/** A window of event time: `size` long, ending at every multiple of `every`; `every` is its pane and divides `size`. */
export function sliding(window: WindowDefinition): WindowDefinition {
  return window
}

export interface LookupDefinition<Key extends string = string> {
  readonly dictionary: string
  readonly key: Key
  readonly attribute: string
}
/** Adds to each answer row the attribute that a dictionary has for the row's `key` (a dimension or measure; a list gives a list). */
export function lookup<const Key extends string>(
  dictionary: string,
  key: Key,
  attribute: string,
): LookupDefinition<Key> {
  return { dictionary, key, attribute }
}

export interface RankDefinition<Measure extends string = string, Dimension extends string = string> {
  readonly by: Measure
  readonly limit: number
  /** dimensions of an answer if the query names none; default: all */
  readonly dimensions?: readonly Dimension[]
  /** SQL condition over the presented measures, e.g. 'mentions > 5' */
  readonly having?: string
}

export interface ViewDefinition<Column extends string = string> {
  readonly label?: string
  /** name → column that holds a list: one row per element, under the new name */
  readonly unnest?: Readonly<Record<string, Column>>
  /** name → SQL expression over columns and unnested names */
  readonly dimensions: Readonly<Record<string, string>>
  /** only rows where this SQL condition is true */
  readonly where?: string
  /** grains in which the view can be queried; the finest one is stored. Neither `time` nor `window`: an all-time view */
  readonly time?: readonly Grain[]
  readonly window?: WindowDefinition
  readonly measures: Readonly<Record<string, MeasureDefinition>>
  readonly rank?: RankDefinition
  /** name of the added column → lookup */
  readonly enrich?: Readonly<Record<string, LookupDefinition>>
}

export interface DatasetDefinition<Column extends string = string> {
  /** lower case letters, digits and _; starts with a letter; at most 63 */
  readonly name: string
  readonly label?: string
  /** the TIMESTAMP column that is the event time */
  readonly time: Column
  /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
  readonly key: Column
  /** rows that arrive more than this after their event time count as late in provenance; default '1m' */
  readonly lateAfter?: Duration
  readonly columns: Readonly<Record<Column, ColumnDefinition>>
  readonly views: Readonly<Record<string, ViewDefinition<Column>>>
}

/** The argument of defineDataset: a DatasetDefinition in which every bare name is checked against the others. */
export interface CheckedDefinition<Types extends Record<string, ColumnType>, Views>
  extends Pick<DatasetDefinition, 'name' | 'label' | 'lateAfter'> {
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

export type { FixedGrain, Grain }
