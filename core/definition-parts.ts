/** The parts of a dataset file: what a definition may have, before its names are checked against each other. */
import type { LIST_TYPES, ON_ERROR, RAW, SCALAR_TYPES, TABLES, TIME_UNITS } from './column-types.ts'
import type { FixedGrain, Grain } from './grains.ts'
import type { PanelDefinition } from './panel-definition.ts'
import type { SinkDefinition } from './sink-definition.ts'
import type { SourceDefinition } from './source-definition.ts'

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

interface ColumnOptions<Type extends ColumnType> {
  readonly type: Type
  /** an event without a usable value is a dead letter */
  readonly required?: boolean
  /**
   * a value that is present but cannot be converted: 'null' (the default) stores NULL or the column's default, and counts it;
   * 'reject' makes the event a dead letter
   */
  readonly onError?: (typeof ON_ERROR)[number]
  /** value if the event has none, or one that cannot be converted; written as in the event */
  readonly default?: DefaultOf<Type>
  /** of a TIMESTAMP: how its values are written, default 'iso'; of another column: what its numbers are of, for people ('min', 'km/h') */
  readonly unit?: Type extends 'TIMESTAMP' ? TimeUnit : string
  /** only for TIMESTAMP, instead of a unit: how its texts are written, in the names of strptime; several are tried in order */
  readonly format?: Type extends 'TIMESTAMP' ? string | readonly string[] : never
  /** of texts in a format without an offset: an IANA time zone; default UTC */
  readonly zone?: Type extends 'TIMESTAMP' ? string : never
  readonly label?: string
  /** what it means, for people who query it */
  readonly description?: string
  /** names of its values for people, of dimensions that are this column, too: `{ '1': 'Monday', '2': 'Tuesday' }` */
  readonly values?: Readonly<Record<string, string>>
}

/** A column that is read from the event. */
export interface ReadColumn<Type extends ColumnType = ColumnType> extends ColumnOptions<Type> {
  /** JSON path: $.a.b for members, $.a[*].b for every element of an array (the type is then a list); quote odd names: $."a b" */
  readonly path: string
  readonly as?: undefined
}

/** A column that is computed from other columns of the same event. */
export interface DerivedColumn<Type extends ColumnType = ColumnType> extends ColumnOptions<Type> {
  /** SQL expression over other columns, derived ones included; its result becomes a value of the type */
  readonly as: string
  readonly path?: undefined
}

export type ColumnDefinition<Type extends ColumnType = ColumnType> = ReadColumn<Type> | DerivedColumn<Type>

export interface MeasureOptions<Where extends string = string> {
  /** SQL condition over the columns: only rows where it is true are aggregated */
  readonly where?: Where
  readonly label?: string
  /** what it means, for people who query it */
  readonly description?: string
  /** what its value is of, for people: 'min', '€'; default: that of the column that it is the sum, mean, least … of */
  readonly unit?: string
}

/** How people are shown a number. 'percent': 0.25 as 25 % */
export const NUMBER_FORMATS = ['percent'] as const
export type NumberFormat = (typeof NUMBER_FORMATS)[number]

/** Of measures that divide. */
export interface FractionOptions<Where extends string = string> extends MeasureOptions<Where> {
  /** how people are shown the value; answers have the number itself */
  readonly format?: NumberFormat
}

export type MeasureKind =
  | 'count'
  | 'sum'
  | 'min'
  | 'max'
  | 'avg'
  | 'ratio'
  | 'first'
  | 'latest'
  | 'countDistinct'
  | 'quantile'
  | 'varSamp'
  | 'varPop'
  | 'stddevSamp'
  | 'stddevPop'
  | 'covarSamp'
  | 'covarPop'
  | 'corr'
  | 'regrSlope'
  | 'maxBy'
  | 'minBy'
  | 'histogram'
  | 'boolAnd'
  | 'boolOr'

export interface MeasureDefinition<Column extends string = string> {
  readonly kind: MeasureKind
  readonly expression?: string
  readonly denominator?: string
  /** maxBy, minBy: what is compared; covariances, corr and regrSlope: the independent value */
  readonly second?: string
  readonly where?: string
  readonly label?: string
  /** what it means, for people who query it */
  readonly description?: string
  readonly unit?: string
  /** avg, ratio: how people are shown the value; answers have the number itself */
  readonly format?: NumberFormat
  /** countDistinct: keep every hash instead of the smallest 2,048 */
  readonly exact?: boolean
  /** quantile: 0 … 1 */
  readonly q?: number
  /** histogram: where its bins end, ascending */
  readonly bounds?: readonly number[]
  /** only for TypeScript: the columns that bare names refer to */
  readonly column?: Column
}

/** A length of time: '500ms', '10s', '5m', '1h', '1d'. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

export interface WindowDefinition {
  readonly size: Duration
  readonly every: Duration
}
export interface LookupDefinition<Key extends string = string> {
  readonly dictionary: string
  readonly key: Key
  readonly attribute: string
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
  /** what it means, for people who query it */
  readonly description?: string
  /** name → column that holds a list, or SQL expression that gives one: one row per element, under the new name */
  readonly unnest?: Readonly<Record<string, Column | (string & {})>>
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

export type SeriesColumnKind =
  | ('expression' | 'lag' | 'difference' | 'returns' | 'cumulativeSum' | 'share' | 'rank')
  | ('movingAverage' | 'movingSum' | 'movingMin' | 'movingMax' | 'movingStddev' | 'movingStddevPop')
  | ('rowsSinceMax' | 'rowsSinceMin' | 'ema' | 'wilderAverage' | 'rsi')
  | 'usual'

export interface SeriesColumnOptions {
  readonly label?: string
}

/** Of `usual`: which earlier times a row is compared with. */
export interface UsualOptions extends SeriesColumnOptions {
  /** from one of them to the next, by the clock of the query's time zone: '7d' is the same hour of the same weekday */
  readonly every: Duration
  /** how many of them, 1 to 52 */
  readonly times: number
  /** what a time without a row counts as: 0 (the default), or null to leave it out */
  readonly absent?: 0 | null
}

/** A calculation over the rows of a series. */
export interface SeriesColumnDefinition<Name extends string = string> {
  readonly kind: SeriesColumnKind
  /** over the view's measures and the series' other columns */
  readonly expression: string
  /** rows that it looks back over, or by */
  readonly rows?: number
  /** usual: from one of the earlier times to the next, by the clock of the query's time zone */
  readonly every?: Duration
  /** usual: how many earlier times */
  readonly times?: number
  /** usual: what a time without a row counts as */
  readonly absent?: 0 | null
  readonly label?: string
  /** only for TypeScript: the measures and columns that bare names refer to */
  readonly name?: Name
}

/** What a measure is in a row that is added where a key has none: nothing, zero, or the value of the row before. */
export type SeriesFill = null | 0 | 'previous'

/** Calculations over the merged rows of a view, in the order of their times. */
export interface SeriesDefinition {
  readonly label?: string
  /** the view whose merged rows it is calculated from; it must have `time` or a `window` */
  readonly over: string
  /** dimensions of the view that its rows have: each combination is a series of its own; default: all */
  readonly by?: readonly string[]
  /** the grain of its rows if a query names none; one of the view's */
  readonly grain: Grain
  /**
   * adds a row wherever a key has none between its first row and the newest one of the view: one rule for all measures, or one per measure
   * (NULL for the others). Default: no rows are added
   */
  readonly fill?: SeriesFill | Readonly<Record<string, SeriesFill>>
  /** name → calculation; a text is an expression over the view's measures and other columns */
  readonly columns: Readonly<Record<string, string | SeriesColumnDefinition>>
}

/** Groups the merged rows of a view again, each of which counts once: users by what they did, groups by their categories. */
export interface GroupingDefinition
  extends Pick<ViewDefinition, 'label' | 'description' | 'unnest' | 'dimensions' | 'where' | 'measures' | 'rank'> {
  /** the view whose merged rows are grouped; expressions name its dimensions, measures and lookups */
  readonly over: string
  /** dimensions that those rows have; default: all of the view's */
  readonly by?: readonly string[]
}

/** The event times that a dataset believes: an event with another one is a dead letter. */
export interface AcceptDefinition {
  /** the first one: ISO 8601; default 1970, in every time zone */
  readonly from?: string
  /** where they end: ISO 8601, or a duration after the arrival of the event; default '365d' */
  readonly until?: string
}

/** How long what is stored is kept. */
export interface KeepDefinition {
  /**
   * raw events (typed rows, JSON and dead letters): those that arrived longer ago are removed, and their contribution to every view stays
   * as states; default 'forever'
   */
  readonly raw?: Duration | 'forever'
  /**
   * panes of views, by their grain: those that began longer ago are merged into panes of the view's next coarser grain, and removed where the
   * view has none (or keeps it no longer, or has a window); a grain that is not named is kept forever
   *
   * @example
   * keep: { panes: { minute: '7d', hour: '365d' } } // a view of minutes, hours and days: minutes for a week, hours for a year, days forever
   */
  readonly panes?: { readonly [Grain in FixedGrain]?: Duration | 'forever' }
}

export interface DatasetDefinition<Column extends string = string> {
  /** lower case letters, digits and _; starts with a letter; at most 63 */
  readonly name: string
  readonly label?: string
  /** what it means, for people who query it */
  readonly description?: string
  /** the TIMESTAMP column that is the event time */
  readonly time: Column
  /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
  readonly key: Column
  /** rows that arrive more than this after their event time count as late in provenance; default '1m' */
  readonly lateAfter?: Duration
  /** the event times that are believed; default: from 1970 to a year after arrival */
  readonly accept?: AcceptDefinition
  /** whether each event's JSON is kept with its row, so that columns that are added or changed later get values from past events; default 'keep' */
  readonly raw?: (typeof RAW)[number]
  /** what is removed after a time; default: nothing */
  readonly keep?: KeepDefinition
  /**
   * tables in the lake that other programs read, in step with the generations: the raw events, and each view (written again as a whole
   * when it has changed); default 'none'
   */
  readonly tables?: (typeof TABLES)[number]
  readonly columns: Readonly<Record<Column, ColumnDefinition>>
  readonly views: Readonly<Record<string, ViewDefinition<Column>>>
  /** where events come from by themselves while the platform runs */
  readonly sources?: readonly SourceDefinition[]
  /** where the changes of views go by themselves while the platform runs */
  readonly sinks?: readonly SinkDefinition[]
  /** name → calculations over the merged rows of a view; queried under its name like a view */
  readonly series?: Readonly<Record<string, SeriesDefinition>>
  /** name → groups of the merged rows of a view; queried under its name like a view */
  readonly groupings?: Readonly<Record<string, GroupingDefinition>>
  /** the panels of the live page and of dashboards for Kibana, in their order; default: derived from the views */
  readonly dashboard?: readonly PanelDefinition[]
}
