/**
 * The language of dataset files: what a user writes, and nothing of how it is computed. See docs/reference/definitions.md.
 * Column names are checked by TypeScript where an expression is a bare column name; everything else is checked when loaded.
 */
import type { FixedGrain, Grain } from './grains.ts'

/** SQL types a column may have. */
export type ColumnType =
  | 'BOOLEAN'
  | 'INTEGER'
  | 'BIGINT'
  | 'DOUBLE'
  | 'VARCHAR'
  | 'TIMESTAMP'
  | 'DATE'
  | 'JSON'
  | `DECIMAL(${number},${number})`
  | 'BOOLEAN[]'
  | 'INTEGER[]'
  | 'BIGINT[]'
  | 'DOUBLE[]'
  | 'VARCHAR[]'

export interface ColumnDefinition {
  readonly type: ColumnType
  /** JSON path: $.a.b for members, $.a[*].b for every element of an array (the type is then a list); quote odd names: $."a b" */
  readonly path: string
  /** an event without a usable value is a dead letter */
  readonly required?: boolean
  /** value where the event has none (or one that does not convert) */
  readonly default?: string | number | boolean
  /** TIMESTAMP columns: how the JSON says it; numbers since 1970 in s, ms or us, or ISO 8601 text. Default 'iso' */
  readonly unit?: 's' | 'ms' | 'us' | 'iso'
  readonly label?: string
}

/** A bare name is checked against the columns; any other text is an expression, checked when loaded. */
type IsBareName<Text extends string> =
  Text extends `${string}${' ' | '(' | '.' | '+' | '-' | '*' | '/' | "'" | '"' | '['}${string}` ? false : true
export type ColumnIn<Text extends string> = IsBareName<Text> extends true ? Text : never

export interface MeasureOptions {
  /** SQL condition over the columns: only rows where it is true are aggregated */
  readonly where?: string
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
  /** only for TypeScript: the column that the expression names */
  readonly column?: Column
}

/** Number of rows (where a condition holds). */
export function count(options: MeasureOptions = {}): MeasureDefinition<never> {
  return { kind: 'count', ...options }
}
/** Sum; exact for integers and decimals, within 1e-9 relative for doubles; NULL where no row had a value. */
export function sum<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'sum', expression, ...options }
}
export function min<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'min', expression, ...options }
}
export function max<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'max', expression, ...options }
}
/** Mean of the non-NULL values. */
export function avg<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'avg', expression, ...options }
}
/** Sum of one expression divided by the sum of another; NULL where the latter is 0 or absent. */
export function ratio<const A extends string, const B extends string>(
  numerator: A,
  denominator: B,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<A> | ColumnIn<B>> {
  return { kind: 'ratio', expression: numerator, denominator, ...options }
}
/** The non-NULL value of the earliest row, by event time, then partition, then offset. */
export function first<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'first', expression, ...options }
}
/** The non-NULL value of the newest row, by event time, then partition, then offset. */
export function latest<const Text extends string>(
  expression: Text,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'latest', expression, ...options }
}
/** Distinct non-NULL values: exact up to 2,048, then ±2.2 % (1 σ), and answers say so; `exact: true` keeps every hash (use where groups stay moderate). */
export function countDistinct<const Text extends string>(
  expression: Text,
  options: MeasureOptions & { exact?: boolean } = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'countDistinct', expression, ...options }
}
/** The value below which the share `q` of the values lies, within 1 % relative. */
export function quantile<const Text extends string>(
  expression: Text,
  q: number,
  options: MeasureOptions = {},
): MeasureDefinition<ColumnIn<Text>> {
  return { kind: 'quantile', expression, q, ...options }
}

export interface WindowDefinition {
  readonly size: string
  readonly every: string
}
/** A window of event time: `size` long, ending at every multiple of `every`; `every` is its pane and divides `size`. */
export function sliding(window: WindowDefinition): WindowDefinition {
  return window
}

export interface LookupDefinition {
  readonly dictionary: string
  readonly key: string
  readonly attribute: string
}
/** Adds to each answer row the attribute that a dictionary has for the row's `key` (a dimension or measure; a list gives a list). */
export function lookup(dictionary: string, key: string, attribute: string): LookupDefinition {
  return { dictionary, key, attribute }
}

export interface RankDefinition {
  readonly by: string
  readonly limit: number
  /** dimensions shown when a query names none; default: all */
  readonly dimensions?: readonly string[]
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
  /** grains in which the view can be asked; the finest is what is stored. Neither `time` nor `window`: an all-time view */
  readonly time?: readonly Grain[]
  readonly window?: WindowDefinition
  readonly measures: Readonly<Record<string, MeasureDefinition<Column>>>
  readonly rank?: RankDefinition
  /** name of the added column → look-up */
  readonly enrich?: Readonly<Record<string, LookupDefinition>>
}

export interface DatasetDefinition<Column extends string = string> {
  /** lower case letters, digits and _; starts with a letter; at most 63 */
  readonly name: string
  readonly label?: string
  /** the TIMESTAMP column that is the event time */
  readonly time: NoInfer<Column>
  /** the column whose value decides the partition */
  readonly key: NoInfer<Column>
  /** rows that arrive more than this after their event time count as late in provenance; default '1m' */
  readonly lateAfter?: string
  readonly columns: Readonly<Record<Column, ColumnDefinition>>
  readonly views: Readonly<Record<string, ViewDefinition<NoInfer<Column>>>>
}

/** Defines a dataset; the value is plain data, `compileDataset` checks and compiles it. */
export function defineDataset<const Column extends string>(
  definition: DatasetDefinition<Column>,
): DatasetDefinition<Column> {
  return definition
}

export type { FixedGrain, Grain }
