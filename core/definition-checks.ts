/**
 * Types that let TypeScript check a definition in the editor: bare names of columns, unnested names, measures and dimensions.
 * A text that is not a bare name is an expression, which is checked when the definition is loaded.
 */
import type { KEY_TYPES } from './column-types.ts'
import type {
  ColumnType,
  GroupingDefinition,
  LookupDefinition,
  MeasureDefinition,
  RankDefinition,
  SeriesColumnDefinition,
  SeriesDefinition,
  ViewDefinition,
} from './definition-parts.ts'
import type { PanelDefinition } from './panel-definition.ts'

type Letter =
  | ('a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm')
  | ('n' | 'o' | 'p' | 'q' | 'r' | 's' | 't' | 'u' | 'v' | 'w' | 'x' | 'y' | 'z')
type NameChar = Letter | '_' | '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9'
type AllNameChars<Text extends string> = Text extends ''
  ? true
  : Text extends `${NameChar}${infer Rest}`
    ? AllNameChars<Rest>
    : false
type IsBareName<Text extends string> = Text extends 'true' | 'false' | 'null'
  ? false
  : Text extends `${Letter}${infer Rest}`
    ? AllNameChars<Rest>
    : false

/** The text itself if it is a bare name; never for an expression, and for a text that is known only at run time. */
export type ColumnIn<Text extends string> = string extends Text
  ? never
  : Text extends unknown
    ? IsBareName<Text> extends true
      ? Text
      : never
    : never

type ColumnsOf<Types extends Record<string, ColumnType>, Allowed> = {
  [Name in keyof Types]: Types[Name] extends Allowed ? Name : [ColumnType] extends [Types[Name]] ? Name : never
}[keyof Types] &
  string
export type TimeColumn<Types extends Record<string, ColumnType>> = ColumnsOf<Types, 'TIMESTAMP'>
export type KeyColumn<Types extends Record<string, ColumnType>> = ColumnsOf<Types, (typeof KEY_TYPES)[number]>

type NamesOf<Entries> = [Entries] extends [never] ? never : keyof Entries & string
type Member<View, Name extends string> = View extends { readonly [Key in Name]: infer Value } ? Value : never
/** names that expressions of a view may use */
type Names<Column extends string, View> = Column | NamesOf<Member<View, 'unnest'>>
/** dimensions and measures */
type Outputs<View> = NamesOf<Member<View, 'dimensions'>> | NamesOf<Member<View, 'measures'>>

type CheckedText<Text, Name extends string> = Text extends string
  ? [ColumnIn<Text>] extends [Name]
    ? Text
    : Name
  : string

export type CheckedMeasures<Name extends string, Measures> = {
  readonly [Measure in keyof Measures]: Measures[Measure] extends MeasureDefinition<infer Column>
    ? [Column] extends [Name]
      ? MeasureDefinition
      : string extends Column
        ? MeasureDefinition
        : MeasureDefinition<Name>
    : MeasureDefinition
}

interface CheckedMembers<Column extends string, View> {
  readonly unnest: {
    readonly [Name in keyof Member<View, 'unnest'>]: CheckedText<Member<View, 'unnest'>[Name], Column>
  }
  readonly dimensions: {
    readonly [Name in keyof Member<View, 'dimensions'>]: CheckedText<
      Member<View, 'dimensions'>[Name],
      Names<Column, View>
    >
  }
  readonly where: CheckedText<Member<View, 'where'>, Names<Column, View>>
  readonly measures: CheckedMeasures<Names<Column, View>, Member<View, 'measures'>>
  readonly rank: RankDefinition<NamesOf<Member<View, 'measures'>>, NamesOf<Member<View, 'dimensions'>>>
  readonly enrich: { readonly [Name in keyof Member<View, 'enrich'>]: LookupDefinition<Outputs<View>> }
  readonly window: View extends { readonly time: readonly string[] } ? never : ViewDefinition['window']
}

/** Unknown members of a view become never, so that a misspelt one is reported where it is. */
type CheckedView<Column extends string, View> = {
  readonly [Key in keyof View]: Key extends keyof CheckedMembers<Column, View>
    ? CheckedMembers<Column, View>[Key]
    : Key extends keyof ViewDefinition
      ? ViewDefinition[Key]
      : never
}

export type CheckedViews<Column extends string, Views> = {
  readonly [View in keyof Views]: string extends NamesOf<Member<Views[View], 'measures'>>
    ? ViewDefinition
    : CheckedView<Column, Views[View]>
}

type OverView<Views, Series> = Member<Series, 'over'> extends infer Over extends keyof Views ? Views[Over] : never
type GrainIn<View> = View extends { readonly time: readonly (infer OneGrain)[] } ? OneGrain : SeriesDefinition['grain']
/** measures of the view and columns of the series */
type SeriesNames<View, Series> = NamesOf<Member<View, 'measures'>> | NamesOf<Member<Series, 'columns'>>

type CheckedSeriesColumn<Name extends string, Column> = Column extends string
  ? CheckedText<Column, Name>
  : Column extends SeriesColumnDefinition<infer Used>
    ? [Used] extends [Name]
      ? SeriesColumnDefinition
      : string extends Used
        ? SeriesColumnDefinition
        : SeriesColumnDefinition<Name>
    : string | SeriesColumnDefinition

interface CheckedSeriesMembers<Views, Series> {
  readonly over: NamesOf<Views>
  readonly by: readonly NamesOf<Member<OverView<Views, Series>, 'dimensions'>>[]
  readonly grain: GrainIn<OverView<Views, Series>>
  readonly columns: {
    readonly [Name in keyof Member<Series, 'columns'>]: CheckedSeriesColumn<
      SeriesNames<OverView<Views, Series>, Series>,
      Member<Series, 'columns'>[Name]
    >
  }
}

/** As CheckedView, over the views that there are. */
type CheckedSeriesOne<Views, Series> = {
  readonly [Key in keyof Series]: Key extends keyof CheckedSeriesMembers<Views, Series>
    ? CheckedSeriesMembers<Views, Series>[Key]
    : Key extends keyof SeriesDefinition
      ? SeriesDefinition[Key]
      : never
}

export type CheckedSeries<Views, Series> = {
  readonly [Name in keyof Series]: string extends NamesOf<Member<Series[Name], 'columns'>>
    ? SeriesDefinition
    : CheckedSeriesOne<Views, Series[Name]>
}

/** names that expressions of a grouping may use: everything that rows of its view have, and what it unnests */
type RowNames<View, Grouping> = Outputs<View> | NamesOf<Member<View, 'enrich'>> | NamesOf<Member<Grouping, 'unnest'>>

interface CheckedGroupingMembers<Views, Grouping> {
  readonly over: NamesOf<Views>
  readonly by: readonly NamesOf<Member<OverView<Views, Grouping>, 'dimensions'>>[]
  readonly dimensions: {
    readonly [Name in keyof Member<Grouping, 'dimensions'>]: CheckedText<
      Member<Grouping, 'dimensions'>[Name],
      RowNames<OverView<Views, Grouping>, Grouping>
    >
  }
  readonly measures: CheckedMeasures<RowNames<OverView<Views, Grouping>, Grouping>, Member<Grouping, 'measures'>>
}

/** As CheckedSeries. */
export type CheckedGroupings<Views, Groupings> = {
  readonly [Name in keyof Groupings]: string extends NamesOf<Member<Groupings[Name], 'measures'>>
    ? GroupingDefinition
    : {
        readonly [Key in keyof Groupings[Name]]: Key extends keyof CheckedGroupingMembers<Views, Groupings[Name]>
          ? CheckedGroupingMembers<Views, Groupings[Name]>[Key]
          : Key extends keyof GroupingDefinition
            ? GroupingDefinition[Key]
            : never
      }
}

type DimensionsOf<View> = NamesOf<Member<View, 'dimensions'>>
type ViewPanels<Views> = {
  readonly [Name in NamesOf<Views>]: PanelDefinition<
    Name,
    NamesOf<Member<Views[Name], 'measures'>>,
    DimensionsOf<Views[Name]>
  > & { readonly view: Name }
}[NamesOf<Views>]
type SeriesPanels<Views, Series> = {
  readonly [Name in NamesOf<Series>]: PanelDefinition<
    Name,
    SeriesNames<OverView<Views, Series[Name]>, Series[Name]>,
    DimensionsOf<OverView<Views, Series[Name]>>
  > & { readonly view: Name }
}[NamesOf<Series>]
type EventsPanel<Column extends string> = PanelDefinition<never, never, Column> & {
  readonly kind: 'events'
  readonly view?: never
}

/** A panel of a view or a series, with their names; or of raw events, with those of columns. */
type CheckedPanel<Column extends string, Views, Series> =
  | ViewPanels<Views>
  | SeriesPanels<Views, Series>
  | EventsPanel<Column>

/** A panel whose view is known only at run time, as of a definition that is made from another one, is checked when it is loaded. */
export type CheckedPanels<Column extends string, Views, Series, Panels> = {
  readonly [Index in keyof Panels]: Panels[Index] extends { readonly view?: infer View }
    ? string extends View
      ? PanelDefinition
      : CheckedPanel<Column, Views, Series>
    : CheckedPanel<Column, Views, Series>
}
