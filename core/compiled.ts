/**
 * The compiled form of a dataset definition, with which every tier works. All functions return SQL text
 * in DuckDB's dialect; a "relation" argument is anything that can follow FROM: a table name or `(SELECT …)`.
 *
 * Typed rows (what a segment holds) have these columns, in this order:
 *   _partition INTEGER, _offset BIGINT, _time BIGINT (event time, epoch ms), _arrival BIGINT (log append time, epoch ms),
 *   then the dataset's columns with their SQL types.
 * State rows (what partials and generations hold) have: pane BIGINT (epoch ms of the pane's start; only where the view has
 *   time), the view's dimensions, then the state columns of its measures, named `<measure>__<part>`.
 */
import type { ConversionFailure } from './conversion-failures.ts'
import type { FailedTexts, RowsOptions } from './conversion-failures-sql.ts'
import type { DatasetDefinition, MeasureKind, SeriesColumnKind, SeriesFill } from './definition-parts.ts'
import type { FlatScan, FlatShape } from './flat-scan.ts'
import type { FixedGrain, Grain } from './grains.ts'
import type { KeptPanes, PaneHorizon } from './pane-horizon.ts'
import type { Dashboard } from './panels/panel.ts'
import type { Recurrence } from './series/recurrence.ts'
import type { SinkDefinition } from './sink-definition.ts'
import type { SourceDefinition } from './source-definition.ts'

export const SYSTEM_COLUMNS = ['_partition', '_offset', '_time', '_arrival'] as const

export interface SqlColumn {
  readonly name: string
  /** DuckDB's type text, e.g. BIGINT, VARCHAR[], STRUCT(v VARCHAR, t BIGINT, p INTEGER, o BIGINT) */
  readonly type: string
}

export interface CompiledColumn extends SqlColumn {
  /** JSON path as written in the definition, e.g. $.group.group_topics[*].topic_name; null of a derived column */
  readonly path: string | null
  /** expression of a derived column; null of one that is read from the event */
  readonly as: string | null
  readonly required: boolean
  /** what becomes of an event whose value cannot be converted */
  readonly onError: 'null' | 'reject'
  /** hash of everything that determines its values from an event's JSON */
  readonly source: string
  readonly label?: string
  readonly description?: string
}

/** How far a measure's presented value may deviate from the exact one. */
export type Exactness =
  | { readonly kind: 'exact' }
  /**
   * rounded to a double. of 'value': |answer - truth| <= relativeError * |truth|, whatever the cut; of 'magnitude':
   * |answer - truth| <= relativeError * Σ|x| (for a mean, divided by the count), because sums of doubles depend on the order of addition;
   * of 'deviations': as docs/reference/definitions.md says of variances, covariances and what is made of them
   */
  | { readonly kind: 'float'; readonly relativeError: number; readonly of: 'value' | 'magnitude' | 'deviations' }
  /** KMV: exact up to k distinct values; then ±relativeSigma (1 σ) */
  | { readonly kind: 'sketch'; readonly k: number; readonly relativeSigma: number }
  /** quantile sketch: |answer - truth| <= relativeError * |truth| */
  | { readonly kind: 'bounded'; readonly relativeError: number }

/**
 * Whether a state can be taken out of a merge again: merge(a, b) - b = a. 'null-as-zero': a sum that had no value comes back
 * as 0. Sums of doubles are not invertible, because adding them rounds.
 */
export type Invertible = 'yes' | 'null-as-zero' | 'no'

export interface CompiledMeasure {
  readonly name: string
  readonly kind: MeasureKind
  /** type of the presented value */
  readonly type: string
  readonly state: readonly SqlColumn[]
  readonly exactness: Exactness
  readonly invertible: Invertible
  readonly label?: string
  readonly description?: string
}

export interface CompiledLookup {
  /** name of the added column in answers */
  readonly name: string
  readonly dictionary: string
  /** dimension or measure of the view whose value is the key; a list value gives the list of distinct found values */
  readonly key: string
  /** whether the key's presented type is a list */
  readonly list: boolean
  /** attribute of the dictionary's entry */
  readonly attribute: string
}

export interface CompiledRank {
  readonly by: string
  readonly limit: number
  /** dimensions of a ranked answer if the query names none */
  readonly dimensions: readonly string[]
  /** SQL over presented measures, already validated; e.g. "mentions" > 5 */
  readonly having?: string
}

/** A grouping expression over state rows: `sql` is evaluated per state row, `name` is its column in the result. */
export interface GroupBy {
  readonly name: string
  readonly sql: string
}

export interface SlidingWindow {
  readonly sizeMs: number
  /** from the end of one window to the next; the view's pane */
  readonly everyMs: number
}

/** Event time cut into panes: slices of equal length, which are what is stored. */
export interface PanesTime {
  readonly kind: 'panes'
  readonly paneMs: number
  /** the grain that is as long as a pane, if there is one */
  readonly paneGrain?: FixedGrain
  /** grains that a query may ask for (all are multiples of the pane) */
  readonly grains: readonly Grain[]
  readonly window?: SlidingWindow
}

/** What a view keeps of event time: panes, or nothing. */
export type ViewTime = PanesTime | { readonly kind: 'all-time' }

export interface CompiledView {
  readonly dataset: string
  readonly name: string
  readonly label?: string
  readonly description?: string
  /** hash of everything that affects the stored states: definitions with equal hashes can share partials */
  readonly hash: string
  readonly time: ViewTime
  /** whether one event can give several rows */
  readonly isUnnested: boolean
  /** columns whose values affect the stored states, the event time included */
  readonly reads: readonly string[]
  readonly rank?: CompiledRank
  readonly dimensions: readonly SqlColumn[]
  readonly measures: readonly CompiledMeasure[]
  readonly lookups: readonly CompiledLookup[]
  /** columns of a state row, in order: [pane], dimensions, states */
  readonly stateColumns: readonly SqlColumn[]
  /** typed rows → state rows, grouped by pane and dimensions */
  partialSql(rows: string): string
  /**
   * The same partials, but of each partition by itself: result columns _partition, then those of partialSql.
   * @param how.few the rows are at most some thousand: a text that is planned sooner, and takes longer for many
   */
  partialByPartitionSql(rows: string, how?: { readonly few: boolean }): string
  /** SELECT DISTINCT of [pane] and dimensions that the typed rows touch */
  keysSql(rows: string): string
  /** typed rows → the same partials as partialSql, but only of the keys in `keys` (a relation with keysSql's columns) */
  partialOfKeysSql(rows: string, keys: string): string
  /**
   * state rows → state rows; grouped by `by` (default: pane and dimensions), with the states of `measures` (default: all).
   * Result columns: by's names, then states
   */
  mergeSql(states: string, by?: readonly GroupBy[], measures?: readonly string[]): string
  /**
   * merged state rows → numbers: `keep` columns, then each measure's presented value under its name, and for each measure of
   * exactness 'sketch' a BOOLEAN column `<measure>__estimated` (true where more than k distinct values were seen).
   */
  presentSql(merged: string, keep: readonly string[], measures?: readonly string[]): string
  /**
   * typed rows → presented values directly, by plain aggregates that share nothing with partial/merge/present
   * (count(DISTINCT …), row_number for first/latest, quantile_disc …): the independent recount that `verify` uses.
   * Result columns: [pane], dimensions, measures, and for each measure whose exactness is of 'magnitude' or 'deviations' a DOUBLE column
   * `<measure>__within`: how far the merged value may be from the recounted one.
   * @param horizon panes are those that it leaves
   */
  recountSql(rows: string, horizon?: PaneHorizon): string
}

/** What decoding needs of a dataset, or of some of its columns. */
export type DecodedDataset = Pick<
  CompiledDataset,
  'name' | 'keyColumn' | 'columns' | 'rowColumns' | 'decode' | 'explain'
>

/** One calculation, in the order of what needs what. */
export interface SeriesStep {
  /** the result's column; with `#` for one that no answer shows */
  readonly name: string
  readonly kind: SeriesColumnKind
  /** SQL of the value that it reads; null: it is the column `used[0]` */
  readonly text: string | null
  /** measures and results of other steps that it reads */
  readonly used: readonly string[]
  /** type of the value that it reads */
  readonly type: string
  readonly rows: number
  /** the earlier times that it looks at; null: it looks at rows */
  readonly recurrence: Recurrence | null
  /** brings the result into the form of its type: no NaN, no infinity */
  readonly result: (sql: string) => string
}

export interface CompiledSeriesColumn extends SqlColumn {
  readonly kind: SeriesColumnKind
  readonly expression: string
  readonly rows: number | null
  readonly recurrence: Recurrence | null
  readonly label?: string
  /** measures of the view that it is calculated from, directly or by way of other columns */
  readonly measures: readonly string[]
  /** the steps that lead to it, its own last */
  readonly steps: readonly SeriesStep[]
  /** how many earlier rows of its key it depends on; null: all of them */
  readonly rowsBack: number | null
  /** how far back it looks besides, at earlier times, ms */
  readonly reachMs: number
  /** whether it depends on the rows of other keys */
  readonly across: boolean
}

export interface CompiledSeries {
  readonly dataset: string
  readonly name: string
  readonly label?: string
  /** whose merged rows it is calculated from */
  readonly over: CompiledView & { readonly time: PanesTime }
  /** dimensions of an answer if the query names none */
  readonly by: readonly string[]
  /** grain of an answer if the query names none */
  readonly grain: Grain
  /** measure → its value in a row that is added; null: no rows are added */
  readonly fill: ReadonlyMap<string, SeriesFill> | null
  readonly columns: readonly CompiledSeriesColumn[]
}

/** The merged rows of a view, grouped again. Nothing of it is stored. */
export interface CompiledGrouping {
  readonly dataset: string
  readonly name: string
  readonly label?: string
  /** whose merged rows are grouped */
  readonly over: CompiledView
  /** dimensions of those rows */
  readonly by: readonly string[]
  /** what is made of the rows, as a view of them: its partialSql takes rows with the columns that it `reads` */
  readonly view: CompiledView
}

export interface CompiledDataset {
  readonly name: string
  /** what it was compiled from: plain data, which a generation keeps so that its states can be answered after a change */
  readonly definition?: DatasetDefinition
  readonly label?: string
  readonly description?: string
  /** hash of columns, paths and event time: changes if typed rows would differ */
  readonly schemaHash: string
  readonly timeColumn: string
  readonly keyColumn: string
  /** a row is late if it arrived more than this after its event time */
  readonly lateAfterMs: number
  readonly columns: readonly CompiledColumn[]
  /** all columns of typed rows, system columns first */
  readonly rowColumns: readonly SqlColumn[]
  /** whether segments keep the JSON of their events */
  readonly keepsRaw: boolean
  /** how long raw events are kept after they arrived; null: forever */
  readonly rawKeptMs: number | null
  /** view → what becomes of its panes as they get old */
  readonly keptPanes: ReadonlyMap<string, readonly KeptPanes[]>
  /** which tables other programs read */
  readonly tables: 'none' | 'delta'
  readonly views: ReadonlyMap<string, CompiledView>
  /** as they are declared */
  readonly sources: readonly SourceDefinition[]
  readonly sinks: readonly SinkDefinition[]
  /** calculations over the merged rows of views; nothing of them is stored */
  readonly series: ReadonlyMap<string, CompiledSeries>
  /** groupings of the merged rows of views; nothing of them is stored */
  readonly groupings: ReadonlyMap<string, CompiledGrouping>
  /** how the dataset is shown to people */
  readonly dashboard: Dashboard
  /** dictionaries that any view looks up */
  readonly dictionaries: readonly string[]
  readonly decode: {
    /** for read_json(columns = {…}): the struct literal's text, with only the fields that the columns need */
    readonly jsonColumns: string
    /**
     * SELECT over read_json's rows: the event time (`_time` BIGINT, NULL if absent or invalid), then the dataset's columns (NULL replaced by the
     * column's default, if it has one), in the order of rowColumns without _partition, _offset, _arrival
     */
    rowsSql(reader: string, options?: RowsOptions): string
    /**
     * SQL condition over the typed row and `_arrival`: true if the event is unusable (a required column or the time is NULL, the time is not
     * accepted, or a value is too large)
     */
    readonly rejectWhere: string
    /** columns of which a failed conversion makes the event unusable */
    readonly rejecting: readonly string[]
    /** what tells a failed conversion from an absent value; `event` is the name that the event's JSON must have */
    readonly failures: FailedTexts & { readonly event: string }
    /** SQL over the typed row: what `explain` cannot tell of why it is unusable; NULL if there is nothing */
    readonly reason: string
  }
  /** the same texts for some columns only, and the event time */
  decodeOf(names: readonly string[]): Omit<CompiledDataset['decode'], 'reason'>
  /**
   * What the engine must decode of an event to decide at ingest whether it is usable, and on its partition; null where `check` decides alone.
   * It is needed where the key, the event time, a required column or one with onError 'reject' is derived.
   */
  readonly deciding: DecodedDataset | null
  /** Why a line is unusable (names the field); null if it is usable. Uses JSON.parse: the slow path, for single rows. */
  explain(line: string, arrivalMs: number): string | null
  /**
   * Same check on a parsed value, plus the text of its key (for partitioning), and its failed conversions.
   * @param text its JSON; @param arrivalMs when it arrives in the log, epoch ms, or now where it has not yet
   */
  check(
    value: unknown,
    text: string,
    arrivalMs: number,
  ):
    | { readonly ok: true; readonly key: string; readonly failures: readonly ConversionFailure[] }
    | { readonly ok: false; readonly reason: string }
  /**
   * Fast path for ordinary events: the key of the event in the bytes [from, end), which must be UTF-8. When it returns a key, the
   * text is one readable line and `check` accepts it with the same key and no failed conversion; null: undecided, parse the text and call `check`.
   */
  scanKey(bytes: Buffer, from: number, end: number, arrivalMs: number): string | null
  /** The same for events that were made as flat objects of this shape; null: each is to be scanned. */
  scanFlat(shape: FlatShape): FlatScan | null
  /** The event time of a line, epoch ms; null if it has none. Uses JSON.parse. Itself null if the time is derived: only the engine can tell it. */
  readonly timeMsOf: ((line: Buffer) => number | null) | null
}
