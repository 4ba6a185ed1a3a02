/**
 * What a dataset definition imports from 'watershed'. Generated: `watershed types` writes it again, for example after an update.
 * TypeScript 5.8 or newer.
 */
declare module 'watershed' {
  /**
   * A window of event time: `size` long, ending at every multiple of `every`; `every` is its pane and divides `size`.
   *
   * @example
   * window: sliding({ size: '5m', every: '10s' })
   * // an answer at 12:05:08 counts the event times from 12:00:10 up to 12:05:10
   */
  export function sliding(window: WindowDefinition): WindowDefinition;
  /**
   * Adds to each answer row the attribute that a dictionary has for the row's `key` (a dimension or measure; a list gives a list).
   *
   * @example
   * enrich: { country_name: lookup('countries', 'country', 'name') }
   * // a row with "country": "de" also has "country_name": "Germany", if the dictionary has {"key": "de", "name": "Germany"}
   */
  export function lookup<const Key extends string>(dictionary: string, key: Key, attribute: string): LookupDefinition<Key>;
  export { avg, boolAnd, boolOr, corr, count, countDistinct, covarPop, covarSamp, first, histogram, latest, max, maxBy, min, minBy, quantile, ratio, regrSlope, stddevPop, stddevSamp, sum, varPop, varSamp, };
  export { calculate, cumulativeSum, difference, ema, lag, movingAverage, movingMax, movingMin, movingStddev, movingStddevPop, movingSum, rank, returns, rowsSinceMax, rowsSinceMin, rsi, share, usual, wilderAverage, };
  /** The argument of defineDataset: a DatasetDefinition in which every bare name is checked against the others. */
  export interface CheckedDefinition<Types extends Record<string, ColumnType>, Views, Series, Panels = readonly PanelDefinition[], Groupings = Readonly<Record<never, GroupingDefinition>>> extends Pick<DatasetDefinition, 'name' | 'label' | 'description' | 'lateAfter' | 'accept' | 'raw' | 'keep' | 'tables' | 'sources' | 'sinks'> {
    /** the TIMESTAMP column that is the event time */
    readonly time: TimeColumn<NoInfer<Types>>;
    /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
    readonly key: KeyColumn<NoInfer<Types>>;
    readonly columns: {
      readonly [Name in keyof Types]: ColumnDefinition<Types[Name]>;
    };
    readonly views: Views & CheckedViews<keyof NoInfer<Types> & string, Views>;
    /** name → calculations over the merged rows of a view; queried under its name like a view */
    readonly series?: Series & CheckedSeries<NoInfer<Views>, Series>;
    /** name → groups of the merged rows of a view; queried under its name like a view */
    readonly groupings?: Groupings & CheckedGroupings<NoInfer<Views>, Groupings>;
    /** the panels of the live page and of dashboards for Kibana, in their order; default: derived from the views */
    readonly dashboard?: Panels & CheckedPanels<keyof NoInfer<Types> & string, NoInfer<Views & Groupings>, NoInfer<Series>, Panels>;
  }
  /**
   * Defines a dataset; the value is plain data, `compileDataset` checks and compiles it.
   *
   * @example
   * export default defineDataset({
   *   name: 'sales',
   *   time: 'sold_at',
   *   key: 'id',
   *   columns: {
   *     id: { type: 'VARCHAR', path: '$.id', required: true },
   *     sold_at: { type: 'TIMESTAMP', path: '$.sold_at', required: true },
   *     shop: { type: 'VARCHAR', path: '$.shop' },
   *     amount: { type: 'DECIMAL(9,2)', path: '$.amount' },
   *   },
   *   views: { by_shop: { dimensions: { shop: 'shop' }, time: ['hour', 'day'], measures: { revenue: sum('amount') } } },
   * })
   * // views/by_shop?grain=day answers rows such as {"time": "2026-03-01T00:00:00.000Z", "shop": "Lisbon", "revenue": 39.45}
   */
  export function defineDataset<const Types extends Record<string, ColumnType>, const Views extends Readonly<Record<string, ViewDefinition>>, const Series extends Readonly<Record<string, SeriesDefinition>> = Readonly<Record<never, SeriesDefinition>>, const Panels extends readonly PanelDefinition[] = readonly [], const Groupings extends Readonly<Record<string, GroupingDefinition>> = Readonly<Record<never, GroupingDefinition>>>(definition: CheckedDefinition<Types, Views, Series, Panels, Groupings>): DatasetDefinition<keyof Types & string>;
  /**
   * Tests of a dataset, for `watershed test`: each case is answered at every cut of its events between the batch and the speed layer.
   *
   * @example
   * export const tests = defineTests({
   *   'sales are added up by shop': {
   *     given: [
   *       { id: 'a', sold_at: '2026-03-01T12:00:00Z', shop: 'Lisbon', amount: '12.50' },
   *       { id: 'b', sold_at: '2026-03-01T12:30:00Z', shop: 'Lisbon', amount: '7.25' },
   *     ],
   *     answers: { 'by_shop?grain=hour': [{ time: '2026-03-01T12:00:00.000Z', shop: 'Lisbon', revenue: 19.75 }] },
   *   },
   * })
   */
  export function defineTests<const Cases extends DefinitionCases>(cases: Cases): Cases;
  export type { AcceptDefinition, ColumnDefinition, ColumnType, DatasetDefinition, DefinitionCase, DefinitionCases, DerivedColumn, Duration, ExpectedRow, FixedGrain, Grain, GroupingDefinition, LookupDefinition, MeasureDefinition, MeasureOptions, PanelDefinition, PanelKind, RankDefinition, ReadColumn, SeriesColumnDefinition, SeriesColumnOptions, SeriesDefinition, SeriesFill, SinkDefinition, SourceDefinition, TimeUnit, UsualOptions, ViewDefinition, WindowDefinition, };
  interface WindowDefinition {
    readonly size: Duration;
    readonly every: Duration;
  }
  interface LookupDefinition<Key extends string = string> {
    readonly dictionary: string;
    readonly key: Key;
    readonly attribute: string;
  }
  /**
   * Mean of the non-NULL values.
   *
   * @example
   * // amount: 5, 8, NULL
   * avg('amount') // 6.5
   */
  function avg<const Text extends string, const Where extends string = never>(expression: Text, options?: FractionOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Whether a condition is true in every row that has one; NULL where none has.
   *
   * @example
   * // gust: 81, 64, NULL
   * boolAnd('gust > 60') // true
   * boolAnd('gust > 70') // false
   */
  function boolAnd<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Whether a condition is true in any row; NULL where none has one.
   *
   * @example
   * // gust: 81, 64, NULL
   * boolOr('gust > 70') // true
   * boolOr('gust > 90') // false
   */
  function boolOr<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Correlation (Pearson), from -1 to 1, over rows that have both values; NULL where one of them does not vary.
   *
   * @example
   * // km: 1, 2, 3, 4
   * // fare: 5, 7, 9, NULL
   * corr('fare', 'km') // 1
   */
  function corr<const A extends string, const B extends string, const Where extends string = never>(dependent: A, independent: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * Number of rows (where a condition holds).
   *
   * @example
   * // country: 'de', 'us', NULL
   * count() // 3
   * count({ where: "country = 'de'" }) // 1
   */
  function count<const Where extends string = never>(options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Where>>;
  /**
   * Distinct non-NULL values: exact up to 2,048, then ±2.2 % (1 σ), which answers report; `exact: true` keeps every hash (use it if
   * groups stay moderate in size).
   *
   * @example
   * // member: 7, 7, 9, NULL
   * countDistinct('member') // 2
   * countDistinct('member', { exact: true }) // 2
   */
  function countDistinct<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where> & {
    readonly exact?: boolean;
  }): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Covariance of all rows that have both values.
   *
   * @example
   * // km: 1, 3
   * // fare: 5, 9
   * covarPop('fare', 'km') // 2
   */
  function covarPop<const A extends string, const B extends string, const Where extends string = never>(dependent: A, independent: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * Covariance of a sample, over rows that have both values; NULL for fewer than two.
   *
   * @example
   * // km: 1, 2, 3, 4
   * // fare: 5, 7, 9, NULL
   * covarSamp('fare', 'km') // 2
   */
  function covarSamp<const A extends string, const B extends string, const Where extends string = never>(dependent: A, independent: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * The non-NULL value of the earliest row, by event time, partition, offset; of an event's unnested elements the smallest value.
   *
   * @example
   * // answer: NULL, 'yes', 'no'
   * first('answer') // 'yes'
   */
  function first<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * How many values are in each bin: up to the first bound, above it up to the second, …, and above the last one. A bound belongs to the bin that
   * it ends.
   *
   * @example
   * // ms: 5, 10, 11, 250, NULL
   * histogram('ms', [10, 100]) // [2, 1, 1]
   */
  function histogram<const Text extends string, const Where extends string = never>(expression: Text, bounds: readonly number[], options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * The non-NULL value of the newest row, by event time, partition, offset; of an event's unnested elements the largest value.
   *
   * @example
   * // answer: 'yes', 'no', NULL
   * latest('answer') // 'no'
   */
  function latest<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Largest non-NULL value.
   *
   * @example
   * // gust: 81, 64, NULL
   * max('gust') // 81
   */
  function max<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * The value of the row in which `by` is greatest, of rows that have both; among equal ones the greatest value.
   *
   * @example
   * // station: 'Brocken', 'Zugspitze', 'Feldberg', NULL
   * // gust: 81, 64, 81, 99
   * maxBy('station', 'gust') // 'Feldberg'
   */
  function maxBy<const A extends string, const B extends string, const Where extends string = never>(expression: A, by: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * Smallest non-NULL value.
   *
   * @example
   * // gust: 81, 64, NULL
   * min('gust') // 64
   */
  function min<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * The value of the row in which `by` is smallest, of rows that have both; among equal ones the smallest value.
   *
   * @example
   * // station: 'Brocken', 'Zugspitze', 'Feldberg', NULL
   * // gust: 81, 64, 81, 99
   * minBy('station', 'gust') // 'Zugspitze'
   */
  function minBy<const A extends string, const B extends string, const Where extends string = never>(expression: A, by: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * The value at rank ⌈q · n⌉ of the n non-NULL values in ascending order (nearest rank), within 1 % of it and never outside the
   * values.
   *
   * @example
   * // ms: 10, 10, 10, 10, 10, 10, 10, 10, 10, 1000
   * quantile('ms', 0.9) // 10
   * quantile('ms', 0.95) // 1000
   */
  function quantile<const Text extends string, const Where extends string = never>(expression: Text, q: number, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Sum of one expression divided by the sum of another; NULL where the latter is 0 or absent. It is not the mean of the rows' ratios.
   *
   * @example
   * // sold: 1, 2, 0
   * // offered: 1, 4, 3
   * ratio('sold', 'offered') // 0.375
   */
  function ratio<const A extends string, const B extends string, const Where extends string = never>(numerator: A, denominator: B, options?: FractionOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * Slope of the regression line: by how much the dependent value grows with each unit of the independent one.
   *
   * @example
   * // km: 1, 2, 3, 4
   * // fare: 5, 7, 9, NULL
   * regrSlope('fare', 'km') // 2
   */
  function regrSlope<const A extends string, const B extends string, const Where extends string = never>(dependent: A, independent: B, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<A | B> | ColumnIn<Where>>;
  /**
   * Standard deviation of all values, the square root of `varPop`.
   *
   * @example
   * // ms: 2, 6, NULL
   * stddevPop('ms') // 2
   */
  function stddevPop<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Standard deviation of a sample, the square root of `varSamp`; SQL also calls it stddev.
   *
   * @example
   * // ms: 1, 3, 5, NULL
   * stddevSamp('ms') // 2
   */
  function stddevSamp<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Sum; exact for integers and decimals, within 1e-12 of the sum of the absolute values for doubles; NULL where no row had a value.
   *
   * @example
   * // amount: 5, 8, NULL
   * // items: 2, 1, 4
   * sum('amount') // 13
   * sum('amount * items', { where: 'items > 1' }) // 10
   */
  function sum<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Variance of all values: the mean square of their deviations from the mean.
   *
   * @example
   * // ms: 2, 4, 4, 6, NULL
   * varPop('ms') // 2
   */
  function varPop<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Variance of a sample: the mean square of the deviations from the mean, divided by n - 1; NULL for fewer than two values.
   *
   * @example
   * // ms: 1, 3, 5, NULL
   * varSamp('ms') // 4
   */
  function varSamp<const Text extends string, const Where extends string = never>(expression: Text, options?: MeasureOptions<Where>): MeasureDefinition<ColumnIn<Text> | ColumnIn<Where>>;
  /**
   * Arithmetic over measures and other columns, with a label; without one, the text itself is enough.
   *
   * @example
   * // sma: 10, 12
   * // sd: 1, 2
   * calculate('sma + 2 * sd', { label: 'Upper band' }) // 12, 16
   */
  function calculate<const Text extends string>(expression: Text, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Sum of all values so far, from the key's first row of all time on.
   *
   * @example
   * // sold: 10, 12, 9
   * cumulativeSum('sold') // 10, 22, 31
   */
  function cumulativeSum<const Text extends string>(expression: Text, options?: SeriesColumnOptions): Column<Text>;
  /**
   * The value minus the one `rows` rows before.
   *
   * @example
   * // close: 10, 12, 9
   * difference('close') // NULL, 2, -3
   */
  function difference<const Text extends string>(expression: Text, rows?: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Exponential moving average with the weight 2 / (rows + 1), which begins with the mean of the first `rows` values.
   *
   * @example
   * // close: 10, 12, 9
   * ema('close', 2) // NULL, 11, 9.667
   */
  function ema<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * The value `rows` rows before; NULL where there are not so many.
   *
   * @example
   * // close: 10, 12, 9
   * lag('close') // NULL, 10, 12
   */
  function lag<const Text extends string>(expression: Text, rows?: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Mean of the values of the last `rows` rows, this one included; NULL where there are fewer rows.
   *
   * @example
   * // close: 10, 12, 9
   * movingAverage('close', 2) // NULL, 11, 10.5
   */
  function movingAverage<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Largest value of the last `rows` rows, this one included; NULL where there are fewer rows.
   *
   * @example
   * // high: 10, 12, 9
   * movingMax('high', 2) // NULL, 12, 12
   */
  function movingMax<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Smallest value of the last `rows` rows, this one included; NULL where there are fewer rows.
   *
   * @example
   * // low: 10, 12, 9
   * movingMin('low', 2) // NULL, 10, 9
   */
  function movingMin<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Sample standard deviation (divided by n - 1, SQL's stddev) of the last `rows` rows; NULL where there are fewer rows.
   *
   * @example
   * // close: 10, 12, 9
   * movingStddev('close', 2) // NULL, 1.414, 2.121
   */
  function movingStddev<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Population standard deviation (divided by n, SQL's stddev_pop) of the last `rows` rows: that of Bollinger bands.
   *
   * @example
   * // close: 10, 12, 9
   * movingStddevPop('close', 2) // NULL, 1, 1.5
   */
  function movingStddevPop<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Sum of the values of the last `rows` rows, this one included; NULL where there are fewer rows.
   *
   * @example
   * // sold: 10, 12, 9
   * movingSum('sold', 2) // NULL, 22, 21
   */
  function movingSum<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Rank of the value among all keys at the same time: 1 is the largest; equal values have the same rank, and ranks after them are left out.
   *
   * @example
   * // sold, of three keys at one time: 1, 3, 1
   * rank('sold') // 2, 1, 2
   */
  function rank<const Text extends string>(expression: Text, options?: SeriesColumnOptions): Column<Text>;
  /**
   * The relative change against `rows` rows before, as a fraction; NULL where that value is 0.
   *
   * @example
   * // close: 10, 12, 9
   * returns('close') // NULL, 0.2, -0.25
   */
  function returns<const Text extends string>(expression: Text, rows?: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * How many rows ago the largest value of the last `rows` rows was, the newest of equal ones: 0 is this row.
   *
   * @example
   * // high: 10, 12, 9, 8
   * rowsSinceMax('high', 3) // NULL, NULL, 1, 2
   * // Aroon up of 25 bars: 100 * (25 - rowsSinceMax('high', 26)) / 25
   */
  function rowsSinceMax<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * How many rows ago the smallest value of the last `rows` rows was, the newest of equal ones: 0 is this row.
   *
   * @example
   * // low: 10, 12, 9, 11
   * rowsSinceMin('low', 3) // NULL, NULL, 0, 1
   */
  function rowsSinceMin<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Wilder's relative strength index of the changes from row to row, 0 to 100; NULL before `rows` changes, and where nothing changed.
   *
   * @example
   * // close: 10, 12, 9
   * rsi('close', 2) // NULL, NULL, 40
   */
  function rsi<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /**
   * The value as a fraction of the sum over all keys at the same time.
   *
   * @example
   * // sold, of two keys at one time: 1, 3
   * share('sold') // 0.25, 0.75
   */
  function share<const Text extends string>(expression: Text, options?: SeriesColumnOptions): Column<Text>;
  /**
   * Mean of the values at the same time of the week (or day …) before: `times` of them, `every` from one to the next. A time without a row
   * counts as 0; times before the first row of the whole view are left out, and NULL is what is left of none.
   *
   * @example
   * // sold: 10, NULL, 20, 60
   * usual('sold', { every: '1d', times: 2 }) // NULL, 10, 5, 10
   */
  function usual<const Text extends string>(expression: Text, options: UsualOptions): Column<Text>;
  /**
   * Wilder's smoothed average: exponential with the weight 1 / rows, which begins with the mean of the first `rows` values.
   *
   * @example
   * // true_range: 10, 12, 9
   * wilderAverage('true_range', 2) // NULL, 11, 10
   */
  function wilderAverage<const Text extends string>(expression: Text, rows: number, options?: SeriesColumnOptions): Column<Text>;
  /** SQL types a column may have. */
  type ColumnType = (typeof SCALAR_TYPES)[number] | `DECIMAL(${number},${number})` | ListType;
  interface PanelDefinition<View extends string = string, Measure extends string = string, Dimension extends string = string> {
    readonly kind: PanelKind;
    /** the view or series whose answer is shown; only `events`, which shows raw events, has none */
    readonly view?: View;
    /** default: made of what is shown */
    readonly title?: string;
    /** the heading that the panel and those after it are under; panels of one section stand together. Default: the label of the view */
    readonly section?: string;
    /** the first one is shown at first; default: those that the kind can show */
    readonly measures?: readonly Measure[];
    /** what rows are grouped by; of `events` the columns that are shown. Default: what fits the kind */
    readonly dimensions?: readonly Dimension[];
    /** a measure or dimension; with a leading `-` descending. Default: by the first measure, the largest first */
    readonly order?: Measure | Dimension | `-${Measure | Dimension}`;
    /** groups, lines or rows at most */
    readonly limit?: number;
    /** dimension → the values that are shown */
    readonly filter?: {
      readonly [Name in Dimension]?: readonly string[];
    };
    /** of the 12 columns of a page */
    readonly width?: number;
  }
  /** Groups the merged rows of a view again, each of which counts once: users by what they did, groups by their categories. */
  interface GroupingDefinition extends Pick<ViewDefinition, 'label' | 'description' | 'unnest' | 'dimensions' | 'where' | 'measures' | 'rank'> {
    /** the view whose merged rows are grouped; expressions name its dimensions, measures and lookups */
    readonly over: string;
    /** dimensions that those rows have; default: all of the view's */
    readonly by?: readonly string[];
  }
  interface DatasetDefinition<Column extends string = string> {
    /** lower case letters, digits and _; starts with a letter; at most 63 */
    readonly name: string;
    readonly label?: string;
    /** what it means, for people who query it */
    readonly description?: string;
    /** the TIMESTAMP column that is the event time */
    readonly time: Column;
    /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
    readonly key: Column;
    /** rows that arrive more than this after their event time count as late in provenance; default '1m' */
    readonly lateAfter?: Duration;
    /** the event times that are believed; default: from 1970 to a year after arrival */
    readonly accept?: AcceptDefinition;
    /** whether each event's JSON is kept with its row, so that columns that are added or changed later get values from past events; default 'keep' */
    readonly raw?: (typeof RAW)[number];
    /** what is removed after a time; default: nothing */
    readonly keep?: KeepDefinition;
    /**
     * tables in the lake that other programs read, in step with the generations: the raw events, and each view (written again as a whole
     * when it has changed); default 'none'
     */
    readonly tables?: (typeof TABLES)[number];
    readonly columns: Readonly<Record<Column, ColumnDefinition>>;
    readonly views: Readonly<Record<string, ViewDefinition<Column>>>;
    /** where events come from by themselves while the platform runs */
    readonly sources?: readonly SourceDefinition[];
    /** where the changes of views go by themselves while the platform runs */
    readonly sinks?: readonly SinkDefinition[];
    /** name → calculations over the merged rows of a view; queried under its name like a view */
    readonly series?: Readonly<Record<string, SeriesDefinition>>;
    /** name → groups of the merged rows of a view; queried under its name like a view */
    readonly groupings?: Readonly<Record<string, GroupingDefinition>>;
    /** the panels of the live page and of dashboards for Kibana, in their order; default: derived from the views */
    readonly dashboard?: readonly PanelDefinition[];
  }
  type TimeColumn<Types extends Record<string, ColumnType>> = ColumnsOf<Types, 'TIMESTAMP'>;
  type KeyColumn<Types extends Record<string, ColumnType>> = ColumnsOf<Types, (typeof KEY_TYPES)[number]>;
  type ColumnDefinition<Type extends ColumnType = ColumnType> = ReadColumn<Type> | DerivedColumn<Type>;
  type CheckedViews<Column extends string, Views> = {
    readonly [View in keyof Views]: string extends NamesOf<Member<Views[View], 'measures'>> ? ViewDefinition : CheckedView<Column, Views[View]>;
  };
  type CheckedSeries<Views, Series> = {
    readonly [Name in keyof Series]: string extends NamesOf<Member<Series[Name], 'columns'>> ? SeriesDefinition : CheckedSeriesOne<Views, Series[Name]>;
  };
  /** As CheckedSeries. */
  type CheckedGroupings<Views, Groupings> = {
    readonly [Name in keyof Groupings]: string extends NamesOf<Member<Groupings[Name], 'measures'>> ? GroupingDefinition : {
      readonly [Key in keyof Groupings[Name]]: Key extends keyof CheckedGroupingMembers<Views, Groupings[Name]> ? CheckedGroupingMembers<Views, Groupings[Name]>[Key] : Key extends keyof GroupingDefinition ? GroupingDefinition[Key] : never;
    };
  };
  /** A panel whose view is known only at run time, as of a definition that is made from another one, is checked when it is loaded. */
  type CheckedPanels<Column extends string, Views, Series, Panels> = {
    readonly [Index in keyof Panels]: Panels[Index] extends {
      readonly view?: infer View;
    } ? string extends View ? PanelDefinition : CheckedPanel<Column, Views, Series> : CheckedPanel<Column, Views, Series>;
  };
  interface ViewDefinition<Column extends string = string> {
    readonly label?: string;
    /** what it means, for people who query it */
    readonly description?: string;
    /** name → column that holds a list, or SQL expression that gives one: one row per element, under the new name */
    readonly unnest?: Readonly<Record<string, Column | (string & {})>>;
    /** name → SQL expression over columns and unnested names */
    readonly dimensions: Readonly<Record<string, string>>;
    /** only rows where this SQL condition is true */
    readonly where?: string;
    /** grains in which the view can be queried; the finest one is stored. Neither `time` nor `window`: an all-time view */
    readonly time?: readonly Grain[];
    readonly window?: WindowDefinition;
    readonly measures: Readonly<Record<string, MeasureDefinition>>;
    readonly rank?: RankDefinition;
    /** name of the added column → lookup */
    readonly enrich?: Readonly<Record<string, LookupDefinition>>;
  }
  /** Calculations over the merged rows of a view, in the order of their times. */
  interface SeriesDefinition {
    readonly label?: string;
    /** the view whose merged rows it is calculated from; it must have `time` or a `window` */
    readonly over: string;
    /** dimensions of the view that its rows have: each combination is a series of its own; default: all */
    readonly by?: readonly string[];
    /** the grain of its rows if a query names none; one of the view's */
    readonly grain: Grain;
    /**
     * adds a row wherever a key has none between its first row and the newest one of the view: one rule for all measures, or one per measure
     * (NULL for the others). Default: no rows are added
     */
    readonly fill?: SeriesFill | Readonly<Record<string, SeriesFill>>;
    /** name → calculation; a text is an expression over the view's measures and other columns */
    readonly columns: Readonly<Record<string, string | SeriesColumnDefinition>>;
  }
  /** Name of a case → the case. */
  type DefinitionCases = Readonly<Record<string, DefinitionCase>>;
  /** The event times that a dataset believes: an event with another one is a dead letter. */
  interface AcceptDefinition {
    /** the first one: ISO 8601; default 1970, in every time zone */
    readonly from?: string;
    /** where they end: ISO 8601, or a duration after the arrival of the event; default '365d' */
    readonly until?: string;
  }
  interface DefinitionCase {
    /** events in the order of their arrival, as they would be sent; at most 50 */
    readonly given: readonly object[];
    /** question → its rows, all of them, in the order of the answer. A question is a view and parameters, as after /v1/datasets/<name>/views/ */
    readonly answers: Readonly<Record<string, readonly ExpectedRow[]>>;
    /** one text for each event that validation must reject, which its reason contains; default: every event is accepted */
    readonly rejected?: readonly string[];
  }
  /** A column that is computed from other columns of the same event. */
  interface DerivedColumn<Type extends ColumnType = ColumnType> extends ColumnOptions<Type> {
    /** SQL expression over other columns, derived ones included; its result becomes a value of the type */
    readonly as: string;
    readonly path?: undefined;
  }
  /** A length of time: '500ms', '10s', '5m', '1h', '1d'. */
  type Duration = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;
  /** Columns of an answer's row; those that are not named here, or are undefined, are not compared. */
  type ExpectedRow = Readonly<Record<string, AnswerValue | undefined>>;
  type FixedGrain = keyof typeof GRAIN_MS;
  type Grain = FixedGrain | CalendarGrain;
  interface MeasureDefinition<Column extends string = string> {
    readonly kind: MeasureKind;
    readonly expression?: string;
    readonly denominator?: string;
    /** maxBy, minBy: what is compared; covariances, corr and regrSlope: the independent value */
    readonly second?: string;
    readonly where?: string;
    readonly label?: string;
    /** what it means, for people who query it */
    readonly description?: string;
    readonly unit?: string;
    /** avg, ratio: how people are shown the value; answers have the number itself */
    readonly format?: NumberFormat;
    /** countDistinct: keep every hash instead of the smallest 2,048 */
    readonly exact?: boolean;
    /** quantile: 0 … 1 */
    readonly q?: number;
    /** histogram: where its bins end, ascending */
    readonly bounds?: readonly number[];
    /** only for TypeScript: the columns that bare names refer to */
    readonly column?: Column;
  }
  interface MeasureOptions<Where extends string = string> {
    /** SQL condition over the columns: only rows where it is true are aggregated */
    readonly where?: Where;
    readonly label?: string;
    /** what it means, for people who query it */
    readonly description?: string;
    /** what its value is of, for people: 'min', '€'; default: that of the column that it is the sum, mean, least … of */
    readonly unit?: string;
  }
  type PanelKind = (typeof PANEL_KINDS)[number];
  interface RankDefinition<Measure extends string = string, Dimension extends string = string> {
    readonly by: Measure;
    readonly limit: number;
    /** dimensions of an answer if the query names none; default: all */
    readonly dimensions?: readonly Dimension[];
    /** SQL condition over the presented measures, e.g. 'mentions > 5' */
    readonly having?: string;
  }
  /** A column that is read from the event. */
  interface ReadColumn<Type extends ColumnType = ColumnType> extends ColumnOptions<Type> {
    /** JSON path: $.a.b for members, $.a[*].b for every element of an array (the type is then a list); quote odd names: $."a b" */
    readonly path: string;
    readonly as?: undefined;
  }
  /** A calculation over the rows of a series. */
  interface SeriesColumnDefinition<Name extends string = string> {
    readonly kind: SeriesColumnKind;
    /** over the view's measures and the series' other columns */
    readonly expression: string;
    /** rows that it looks back over, or by */
    readonly rows?: number;
    /** usual: from one of the earlier times to the next, by the clock of the query's time zone */
    readonly every?: Duration;
    /** usual: how many earlier times */
    readonly times?: number;
    /** usual: what a time without a row counts as */
    readonly absent?: 0 | null;
    readonly label?: string;
    /** only for TypeScript: the measures and columns that bare names refer to */
    readonly name?: Name;
  }
  interface SeriesColumnOptions {
    readonly label?: string;
  }
  /** What a measure is in a row that is added where a key has none: nothing, zero, or the value of the row before. */
  type SeriesFill = null | 0 | 'previous';
  type SinkDefinition = WebhookSinkDefinition | KafkaSinkDefinition;
  type SourceDefinition = AddressedSource | FilesDefinition | KafkaDefinition;
  /** JSON encoding of a time: seconds, milliseconds or microseconds since 1970, or ISO 8601 text. */
  type TimeUnit = (typeof TIME_UNITS)[number];
  /** Of `usual`: which earlier times a row is compared with. */
  interface UsualOptions extends SeriesColumnOptions {
    /** from one of them to the next, by the clock of the query's time zone: '7d' is the same hour of the same weekday */
    readonly every: Duration;
    /** how many of them, 1 to 52 */
    readonly times: number;
    /** what a time without a row counts as: 0 (the default), or null to leave it out */
    readonly absent?: 0 | null;
  }
  /** Of measures that divide. */
  interface FractionOptions<Where extends string = string> extends MeasureOptions<Where> {
    /** how people are shown the value; answers have the number itself */
    readonly format?: NumberFormat;
  }
  /** The text itself if it is a bare name; never for an expression, and for a text that is known only at run time. */
  type ColumnIn<Text extends string> = string extends Text ? never : Text extends unknown ? IsBareName<Text> extends true ? Text : never : never;
  type Column<Text extends string> = SeriesColumnDefinition<ColumnIn<Text>>;
  const SCALAR_TYPES: readonly ['BOOLEAN', 'INTEGER', 'BIGINT', 'DOUBLE', 'VARCHAR', 'TIMESTAMP', 'DATE', 'JSON'];
  type ListType = (typeof LIST_TYPES)[number];
  const RAW: readonly ['keep', 'drop'];
  /** How long what is stored is kept. */
  interface KeepDefinition {
    /**
     * raw events (typed rows, JSON and dead letters): those that arrived longer ago are removed, and their contribution to every view stays
     * as states; default 'forever'
     */
    readonly raw?: Duration | 'forever';
    /**
     * panes of views, by their grain: those that began longer ago are merged into panes of the view's next coarser grain, and removed where the
     * view has none (or keeps it no longer, or has a window); a grain that is not named is kept forever
     *
     * @example
     * keep: { panes: { minute: '7d', hour: '365d' } } // a view of minutes, hours and days: minutes for a week, hours for a year, days forever
     */
    readonly panes?: {
      readonly [Grain in FixedGrain]?: Duration | 'forever';
    };
  }
  /** Whether the JSON of events is kept in the lake. */
  const TABLES: readonly ['none', 'delta'];
  type ColumnsOf<Types extends Record<string, ColumnType>, Allowed> = {
    [Name in keyof Types]: Types[Name] extends Allowed ? Name : [ColumnType] extends [Types[Name]] ? Name : never;
  }[keyof Types] & string;
  /** Types whose equal values have one text, so that all events of a key go to one partition. */
  const KEY_TYPES: readonly ['BOOLEAN', 'INTEGER', 'BIGINT', 'VARCHAR', 'DATE'];
  type NamesOf<Entries> = [Entries] extends [never] ? never : keyof Entries & string;
  type Member<View, Name extends string> = View extends {
    readonly [Key in Name]: infer Value;
  } ? Value : never;
  /** Unknown members of a view become never, so that a misspelt one is reported where it is. */
  type CheckedView<Column extends string, View> = {
    readonly [Key in keyof View]: Key extends keyof CheckedMembers<Column, View> ? CheckedMembers<Column, View>[Key] : Key extends keyof ViewDefinition ? ViewDefinition[Key] : never;
  };
  /** As CheckedView, over the views that there are. */
  type CheckedSeriesOne<Views, Series> = {
    readonly [Key in keyof Series]: Key extends keyof CheckedSeriesMembers<Views, Series> ? CheckedSeriesMembers<Views, Series>[Key] : Key extends keyof SeriesDefinition ? SeriesDefinition[Key] : never;
  };
  interface CheckedGroupingMembers<Views, Grouping> {
    readonly over: NamesOf<Views>;
    readonly by: readonly NamesOf<Member<OverView<Views, Grouping>, 'dimensions'>>[];
    readonly dimensions: {
      readonly [Name in keyof Member<Grouping, 'dimensions'>]: CheckedText<Member<Grouping, 'dimensions'>[Name], RowNames<OverView<Views, Grouping>, Grouping>>;
    };
    readonly measures: CheckedMeasures<RowNames<OverView<Views, Grouping>, Grouping>, Member<Grouping, 'measures'>>;
  }
  /** A panel of a view or a series, with their names; or of raw events, with those of columns. */
  type CheckedPanel<Column extends string, Views, Series> = ViewPanels<Views> | SeriesPanels<Views, Series> | EventsPanel<Column>;
  interface ColumnOptions<Type extends ColumnType> {
    readonly type: Type;
    /** an event without a usable value is a dead letter */
    readonly required?: boolean;
    /**
     * a value that is present but cannot be converted: 'null' (the default) stores NULL or the column's default, and counts it;
     * 'reject' makes the event a dead letter
     */
    readonly onError?: (typeof ON_ERROR)[number];
    /** value if the event has none, or one that cannot be converted; written as in the event */
    readonly default?: DefaultOf<Type>;
    /** of a TIMESTAMP: how its values are written, default 'iso'; of another column: what its numbers are of, for people ('min', 'km/h') */
    readonly unit?: Type extends 'TIMESTAMP' ? TimeUnit : string;
    /** only for TIMESTAMP, instead of a unit: how its texts are written, in the names of strptime; several are tried in order */
    readonly format?: Type extends 'TIMESTAMP' ? string | readonly string[] : never;
    /** of texts in a format without an offset: an IANA time zone; default UTC */
    readonly zone?: Type extends 'TIMESTAMP' ? string : never;
    readonly label?: string;
    /** what it means, for people who query it */
    readonly description?: string;
    /** names of its values for people, of dimensions that are this column, too: `{ '1': 'Monday', '2': 'Tuesday' }` */
    readonly values?: Readonly<Record<string, string>>;
  }
  /** A value of an answer's row: numbers, texts, lists, null; times are ISO 8601 texts in UTC. */
  type AnswerValue = string | number | boolean | null | readonly (string | number | boolean | null)[];
  /** Grains of fixed length, in milliseconds; week, month, quarter and year depend on the calendar. */
  const GRAIN_MS: {
    readonly second: 1000;
    readonly '10s': 10000;
    readonly minute: 60000;
    readonly '5m': 300000;
    readonly '15m': 900000;
    readonly hour: 3600000;
    readonly day: 86400000;
  };
  type CalendarGrain = (typeof CALENDAR_GRAINS)[number];
  type MeasureKind = 'count' | 'sum' | 'min' | 'max' | 'avg' | 'ratio' | 'first' | 'latest' | 'countDistinct' | 'quantile' | 'varSamp' | 'varPop' | 'stddevSamp' | 'stddevPop' | 'covarSamp' | 'covarPop' | 'corr' | 'regrSlope' | 'maxBy' | 'minBy' | 'histogram' | 'boolAnd' | 'boolOr';
  type NumberFormat = (typeof NUMBER_FORMATS)[number];
  /** How a panel shows its numbers. */
  const PANEL_KINDS: readonly ['number', 'lines', 'stacked', 'bars', 'ranking', 'table', 'map', 'points', 'heat', 'histogram', 'funnel', 'candles', 'events'];
  type SeriesColumnKind = ('expression' | 'lag' | 'difference' | 'returns' | 'cumulativeSum' | 'share' | 'rank') | ('movingAverage' | 'movingSum' | 'movingMin' | 'movingMax' | 'movingStddev' | 'movingStddevPop') | ('rowsSinceMax' | 'rowsSinceMin' | 'ema' | 'wilderAverage' | 'rsi') | 'usual';
  /** Each delivery is a POST of JSON. */
  interface WebhookSinkDefinition extends AnySink {
    readonly kind: 'webhook';
    /** `{env:NAME}` in it stands for an environment variable, for secrets */
    readonly url: string;
    /** headers of each request; `{env:NAME}` as in the URL */
    readonly headers?: Readonly<Record<string, string>>;
    /** signs each delivery: `{env:NAME}`, whose value is `whsec_` and base64 (Standard Webhooks), or any other text (X-Hub-Signature-256) */
    readonly secret?: string;
  }
  /** Each row that changed is a record: its key the row's, its value the row, or none for a row that is gone. */
  interface KafkaSinkDefinition extends AnySink {
    readonly kind: 'kafka';
    /** on the brokers of the settings `kafka.…`; it must exist */
    readonly topic: string;
  }
  /** A source that is reached by an address. */
  type AddressedSource = HttpStreamDefinition | ServerSentEventsDefinition | WebSocketDefinition | PollingDefinition;
  /** Files, new ones and what is appended to them. */
  interface FilesDefinition extends AnySourceOptions {
    readonly kind: 'files';
    /** files, folders and patterns; relative ones to the working directory of the process */
    readonly paths: readonly string[];
    /** Default: recognised by name and first lines */
    readonly format?: 'ndjson' | 'json' | 'csv' | 'parquet';
    /** CSV: one character. Default: recognised */
    readonly delimiter?: string;
    /** CSV without a header: names of the columns */
    readonly columns?: readonly string[];
    /** CSV: columns with numbers such as 1.234,50 */
    readonly decimalComma?: readonly string[];
  }
  /** A Kafka topic that others write, on the brokers of the settings `kafka.…`. */
  interface KafkaDefinition extends AnySourceOptions {
    readonly kind: 'kafka';
    readonly topic: string;
    /** where it begins when it is first read. Default 'earliest' */
    readonly begin?: 'earliest' | 'latest';
  }
  /** Numbers since 1970 in seconds, milliseconds or microseconds, or ISO 8601 text. */
  const TIME_UNITS: readonly ['s', 'ms', 'us', 'iso'];
  type IsBareName<Text extends string> = Text extends 'true' | 'false' | 'null' ? false : Text extends `${Letter}${infer Rest}` ? AllNameChars<Rest> : false;
  const LIST_TYPES: readonly ['BOOLEAN[]', 'INTEGER[]', 'BIGINT[]', 'DOUBLE[]', 'VARCHAR[]'];
  interface CheckedMembers<Column extends string, View> {
    readonly unnest: {
      readonly [Name in keyof Member<View, 'unnest'>]: CheckedText<Member<View, 'unnest'>[Name], Column>;
    };
    readonly dimensions: {
      readonly [Name in keyof Member<View, 'dimensions'>]: CheckedText<Member<View, 'dimensions'>[Name], Names<Column, View>>;
    };
    readonly where: CheckedText<Member<View, 'where'>, Names<Column, View>>;
    readonly measures: CheckedMeasures<Names<Column, View>, Member<View, 'measures'>>;
    readonly rank: RankDefinition<NamesOf<Member<View, 'measures'>>, NamesOf<Member<View, 'dimensions'>>>;
    readonly enrich: {
      readonly [Name in keyof Member<View, 'enrich'>]: LookupDefinition<Outputs<View>>;
    };
    readonly window: View extends {
      readonly time: readonly string[];
    } ? never : ViewDefinition['window'];
  }
  interface CheckedSeriesMembers<Views, Series> {
    readonly over: NamesOf<Views>;
    readonly by: readonly NamesOf<Member<OverView<Views, Series>, 'dimensions'>>[];
    readonly grain: GrainIn<OverView<Views, Series>>;
    readonly columns: {
      readonly [Name in keyof Member<Series, 'columns'>]: CheckedSeriesColumn<SeriesNames<OverView<Views, Series>, Series>, Member<Series, 'columns'>[Name]>;
    };
  }
  type OverView<Views, Series> = Member<Series, 'over'> extends infer Over extends keyof Views ? Views[Over] : never;
  type CheckedText<Text, Name extends string> = Text extends string ? [ColumnIn<Text>] extends [Name] ? Text : Name : string;
  /** names that expressions of a grouping may use: everything that rows of its view have, and what it unnests */
  type RowNames<View, Grouping> = Outputs<View> | NamesOf<Member<View, 'enrich'>> | NamesOf<Member<Grouping, 'unnest'>>;
  type CheckedMeasures<Name extends string, Measures> = {
    readonly [Measure in keyof Measures]: Measures[Measure] extends MeasureDefinition<infer Column> ? [Column] extends [Name] ? MeasureDefinition : string extends Column ? MeasureDefinition : MeasureDefinition<Name> : MeasureDefinition;
  };
  type ViewPanels<Views> = {
    readonly [Name in NamesOf<Views>]: PanelDefinition<Name, NamesOf<Member<Views[Name], 'measures'>>, DimensionsOf<Views[Name]>> & {
      readonly view: Name;
    };
  }[NamesOf<Views>];
  type SeriesPanels<Views, Series> = {
    readonly [Name in NamesOf<Series>]: PanelDefinition<Name, SeriesNames<OverView<Views, Series[Name]>, Series[Name]>, DimensionsOf<OverView<Views, Series[Name]>>> & {
      readonly view: Name;
    };
  }[NamesOf<Series>];
  type EventsPanel<Column extends string> = PanelDefinition<never, never, Column> & {
    readonly kind: 'events';
    readonly view?: never;
  };
  /** What becomes of an event whose value cannot be converted. */
  const ON_ERROR: readonly ['null', 'reject'];
  /** Values that the JSON of an event can have at the path of a column of this type. */
  type DefaultOf<Type extends ColumnType> = Type extends 'BOOLEAN' ? boolean : Type extends 'VARCHAR' | 'DATE' ? string : Type extends 'JSON' ? Scalar : Type extends 'DOUBLE' ? number : Type extends ListType ? readonly Scalar[] : number | string;
  const CALENDAR_GRAINS: readonly ['week', 'month', 'quarter', 'year'];
  /** How people are shown a number. 'percent': 0.25 as 25 % */
  const NUMBER_FORMATS: readonly ['percent'];
  /** Where the changes of a view go by themselves: what a definition says of its sinks. See docs/reference/sinks.md. */
  interface AnySink {
    /** unique within the dataset */
    readonly name: string;
    /** the view or series whose answer is followed */
    readonly view: string;
    /** parameters of the query, as `GET …/views/{view}` takes them. Default: none */
    readonly query?: Readonly<Record<string, string | readonly string[]>>;
    /** minimum interval between two deliveries. Default '1s' */
    readonly every?: string;
  }
  /** A response that does not end, one event a line. */
  interface HttpStreamDefinition extends SourceOptions {
    readonly kind: 'http-stream';
    readonly resume?: ResumeDefinition;
  }
  /** Server-sent events; a new connection resumes by Last-Event-ID. */
  interface ServerSentEventsDefinition extends SourceOptions {
    readonly kind: 'server-sent-events';
    /** types of events to take. Default: all */
    readonly events?: readonly string[];
  }
  /** A WebSocket, one event a message. */
  interface WebSocketDefinition extends SourceOptions {
    readonly kind: 'websocket';
    /** messages to send after connecting; `{env:NAME}` as in the URL */
    readonly send?: readonly string[];
    readonly resume?: ResumeDefinition;
  }
  /** A response that is asked for again and again. */
  interface PollingDefinition extends SourceOptions {
    readonly kind: 'polling';
    /** from the end of one poll to the beginning of the next */
    readonly every: string;
    /** JSON path of the list of events in the response. Default: the response is the list, or one event */
    readonly records?: string;
    /** how to get the next page: the parameter, and where its value is in the response */
    readonly page?: {
      readonly parameter: string;
      readonly from: string;
    };
    /** what was taken before: the value at `from` in the response of a poll's first page */
    readonly resume?: Pick<ResumeDefinition, 'parameter' | 'from'>;
  }
  interface AnySourceOptions {
    /** unique within the dataset */
    readonly name: string;
    /** wait until somebody runs `watershed sources resume`. Default false */
    readonly paused?: boolean;
    /** read no faster than this. Default: no limit */
    readonly eventsPerSecondMax?: number;
  }
  type Letter = ('a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm') | ('n' | 'o' | 'p' | 'q' | 'r' | 's' | 't' | 'u' | 'v' | 'w' | 'x' | 'y' | 'z');
  type AllNameChars<Text extends string> = Text extends '' ? true : Text extends `${NameChar}${infer Rest}` ? AllNameChars<Rest> : false;
  /** names that expressions of a view may use */
  type Names<Column extends string, View> = Column | NamesOf<Member<View, 'unnest'>>;
  /** dimensions and measures */
  type Outputs<View> = NamesOf<Member<View, 'dimensions'>> | NamesOf<Member<View, 'measures'>>;
  type GrainIn<View> = View extends {
    readonly time: readonly (infer OneGrain)[];
  } ? OneGrain : SeriesDefinition['grain'];
  type CheckedSeriesColumn<Name extends string, Column> = Column extends string ? CheckedText<Column, Name> : Column extends SeriesColumnDefinition<infer Used> ? [Used] extends [Name] ? SeriesColumnDefinition : string extends Used ? SeriesColumnDefinition : SeriesColumnDefinition<Name> : string | SeriesColumnDefinition;
  /** measures of the view and columns of the series */
  type SeriesNames<View, Series> = NamesOf<Member<View, 'measures'>> | NamesOf<Member<Series, 'columns'>>;
  type DimensionsOf<View> = NamesOf<Member<View, 'dimensions'>>;
  type Scalar = string | number | boolean;
  interface SourceOptions extends AnySourceOptions {
    /** `{env:NAME}` in it stands for an environment variable, for secrets */
    readonly url: string;
    /** headers of each request; `{env:NAME}` as in the URL */
    readonly headers?: Readonly<Record<string, string>>;
    /** connect anew after this long without a byte. Default '1m' */
    readonly silence?: string;
  }
  /** How to go on after a break: a parameter of the URL that says from where. */
  interface ResumeDefinition {
    /** name of the URL's parameter */
    readonly parameter: string;
    /** JSON path of the value in an event (polling: in the response): a number, or for polling a text or number */
    readonly from: string;
    /** goes back by this much, in the unit of the value, to get events that arrive out of order; those seen before are recognised. Default 1 */
    readonly overlap?: number;
    /** what the value counts since 1970, for the lag: 's', 'ms' or 'us'. Default: it is not a time */
    readonly unit?: 's' | 'ms' | 'us';
  }
  type NameChar = Letter | '_' | '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';
}
