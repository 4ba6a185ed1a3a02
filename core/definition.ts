/**
 * The API for dataset files: what a user writes, without how it is computed. See docs/reference/definitions.md.
 * TypeScript checks texts that are bare names; everything else is checked when the file is loaded.
 */
import type { DefinitionCase, DefinitionCases, ExpectedRow } from './definition-cases.ts'
import type {
  CheckedGroupings,
  CheckedPanels,
  CheckedSeries,
  CheckedViews,
  KeyColumn,
  TimeColumn,
} from './definition-checks.ts'
import type {
  AcceptDefinition,
  ColumnDefinition,
  ColumnType,
  DatasetDefinition,
  DerivedColumn,
  Duration,
  GroupingDefinition,
  LookupDefinition,
  MeasureDefinition,
  MeasureOptions,
  RankDefinition,
  ReadColumn,
  SeriesColumnDefinition,
  SeriesColumnOptions,
  SeriesDefinition,
  SeriesFill,
  TimeUnit,
  UsualOptions,
  ViewDefinition,
  WindowDefinition,
} from './definition-parts.ts'
import type { FixedGrain, Grain } from './grains.ts'
import type { PanelDefinition, PanelKind } from './panel-definition.ts'
import type { SinkDefinition } from './sink-definition.ts'
import type { SourceDefinition } from './source-definition.ts'

/**
 * A window of event time: `size` long, ending at every multiple of `every`; `every` is its pane and divides `size`.
 *
 * @example
 * window: sliding({ size: '5m', every: '10s' })
 * // an answer at 12:05:08 counts the event times from 12:00:10 up to 12:05:10
 */
export function sliding(window: WindowDefinition): WindowDefinition {
  return window
}

/**
 * Adds to each answer row the attribute that a dictionary has for the row's `key` (a dimension or measure; a list gives a list).
 *
 * @example
 * enrich: { country_name: lookup('countries', 'country', 'name') }
 * // a row with "country": "de" also has "country_name": "Germany", if the dictionary has {"key": "de", "name": "Germany"}
 */
export function lookup<const Key extends string>(
  dictionary: string,
  key: Key,
  attribute: string,
): LookupDefinition<Key> {
  return { dictionary, key, attribute }
}

export {
  avg,
  boolAnd,
  boolOr,
  corr,
  count,
  countDistinct,
  covarPop,
  covarSamp,
  first,
  histogram,
  latest,
  max,
  maxBy,
  min,
  minBy,
  quantile,
  ratio,
  regrSlope,
  stddevPop,
  stddevSamp,
  sum,
  varPop,
  varSamp,
} from './measure-definitions.ts'
export {
  calculate,
  cumulativeSum,
  difference,
  ema,
  lag,
  movingAverage,
  movingMax,
  movingMin,
  movingStddev,
  movingStddevPop,
  movingSum,
  rank,
  returns,
  rowsSinceMax,
  rowsSinceMin,
  rsi,
  share,
  usual,
  wilderAverage,
} from './series-columns.ts'

/** The argument of defineDataset: a DatasetDefinition in which every bare name is checked against the others. */
export interface CheckedDefinition<
  Types extends Record<string, ColumnType>,
  Views,
  Series,
  Panels = readonly PanelDefinition[],
  Groupings = Readonly<Record<never, GroupingDefinition>>,
> extends Pick<
    DatasetDefinition,
    'name' | 'label' | 'description' | 'lateAfter' | 'accept' | 'raw' | 'keep' | 'tables' | 'sources' | 'sinks'
  > {
  /** the TIMESTAMP column that is the event time */
  readonly time: TimeColumn<NoInfer<Types>>
  /** the column whose value determines the partition: BOOLEAN, INTEGER, BIGINT, VARCHAR or DATE */
  readonly key: KeyColumn<NoInfer<Types>>
  readonly columns: { readonly [Name in keyof Types]: ColumnDefinition<Types[Name]> }
  readonly views: Views & CheckedViews<keyof NoInfer<Types> & string, Views>
  /** name → calculations over the merged rows of a view; queried under its name like a view */
  readonly series?: Series & CheckedSeries<NoInfer<Views>, Series>
  /** name → groups of the merged rows of a view; queried under its name like a view */
  readonly groupings?: Groupings & CheckedGroupings<NoInfer<Views>, Groupings>
  /** the panels of the live page and of dashboards for Kibana, in their order; default: derived from the views */
  readonly dashboard?: Panels &
    CheckedPanels<keyof NoInfer<Types> & string, NoInfer<Views & Groupings>, NoInfer<Series>, Panels>
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
export function defineDataset<
  const Types extends Record<string, ColumnType>,
  const Views extends Readonly<Record<string, ViewDefinition>>,
  const Series extends Readonly<Record<string, SeriesDefinition>> = Readonly<Record<never, SeriesDefinition>>,
  const Panels extends readonly PanelDefinition[] = readonly [],
  const Groupings extends Readonly<Record<string, GroupingDefinition>> = Readonly<Record<never, GroupingDefinition>>,
>(definition: CheckedDefinition<Types, Views, Series, Panels, Groupings>): DatasetDefinition<keyof Types & string> {
  // The checks only narrow names; the value is the same plain data.
  return definition as unknown as DatasetDefinition<keyof Types & string>
}

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
export function defineTests<const Cases extends DefinitionCases>(cases: Cases): Cases {
  return cases
}

export type {
  AcceptDefinition,
  ColumnDefinition,
  ColumnType,
  DatasetDefinition,
  DefinitionCase,
  DefinitionCases,
  DerivedColumn,
  Duration,
  ExpectedRow,
  FixedGrain,
  Grain,
  GroupingDefinition,
  LookupDefinition,
  MeasureDefinition,
  MeasureOptions,
  PanelDefinition,
  PanelKind,
  RankDefinition,
  ReadColumn,
  SeriesColumnDefinition,
  SeriesColumnOptions,
  SeriesDefinition,
  SeriesFill,
  SinkDefinition,
  SourceDefinition,
  TimeUnit,
  UsualOptions,
  ViewDefinition,
  WindowDefinition,
}
