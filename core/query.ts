/** A query of a view, after parsing and before validation against the view. */
import type { Condition } from './condition.ts'
import type { Grain } from './grains.ts'

export type FilterOperator = 'eq' | 'ne' | 'in' | 'gt' | 'gte' | 'lt' | 'lte' | 'contains' | 'null' | 'notnull'

/** A condition on one value. */
export interface Comparison {
  readonly operator: FilterOperator
  /** texts, cast to the type of what they are compared with; bound as parameters, never embedded in SQL text */
  readonly values: readonly string[]
  /** of `in`: rows without a value match, too */
  readonly orNull?: boolean
}

export interface Filter extends Comparison {
  readonly dimension: string
}

/** A filter on the rows of an answer, by what was merged. */
export interface HavingFilter extends Comparison {
  readonly measure: string
}

/** What a row shows for a bucket without events: what no events give, nothing, or what the bucket before it shows. */
export const FILLS = ['zero', 'null', 'previous'] as const
export type Fill = (typeof FILLS)[number]

export interface ViewQuery {
  readonly dataset: string
  /** or the names of `views`, joined by + */
  readonly view: string
  /** several, side by side */
  readonly views?: readonly string[]
  /** default: all */
  readonly measures?: readonly string[]
  /** default: all of the view's, or its rank's */
  readonly dimensions?: readonly string[]
  /** all must hold */
  readonly filters?: readonly Condition<Filter>[]
  /** all must hold; applied before rows are ranked and limited */
  readonly having?: readonly Condition<HavingFilter>[]
  /** event time, epoch ms, `[from, to)`; must fall on pane starts, otherwise the query is refused */
  readonly fromMs?: number
  readonly toMs?: number
  /** adds a `time` column with the start of each grain */
  readonly grain?: Grain
  /** also rows for the buckets of `[from, to)` in which a group of the answer has no events */
  readonly fill?: Fill
  /** IANA name, of `grain`; default UTC */
  readonly timezone?: string
  readonly order?: readonly { readonly by: string; readonly direction: 'asc' | 'desc' }[]
  readonly limit?: number
  /** also the measures of all groups together */
  readonly totals?: boolean
  /** also what each row was in an earlier period: how far back, such as 7d, or `previous` */
  readonly compare?: string
  /** measures of which each row also shows what it has of the total */
  readonly shares?: readonly string[]
  /** windowed views: the time whose window is wanted, epoch ms, or 'now', or 'latest' (newest event not in the future) */
  readonly at?: number | 'now' | 'latest'
  /** windowed views: from one window's end to the next, ms; each window that ends in `(from, to]` has rows of its own */
  readonly everyMs?: number
  /** rank within each combination of these dimensions instead of over all rows */
  readonly per?: readonly string[]
  /** 'start': the first page of all rows, `limit` at a time; else where the page before ended */
  readonly cursor?: string
}

/** Limits of a query, by name; each is enforced before work is done. */
export const QUERY_LIMITS = {
  rowsMax: 10_000,
  rowsDefault: 1_000,
  /** views of one query */
  viewsMax: 8,
  /** comparisons, all together */
  filtersMax: 32,
  /** how deep and, or and not are nested */
  conditionDepthMax: 8,
  filterValuesMax: 1_000,
  filterValueCharsMax: 1_024,
  /** rows of an answer that is read in pages, and of all such answers that are kept together */
  pagedRowsMax: 10_000_000,
  /** answers that are kept for further pages … */
  pagedAnswersMax: 32,
  /** … of one client … */
  pagedAnswersPerClientMax: 8,
  /** … for this long after the last page was read */
  pagedMs: 120_000,
  /** body of a query that is sent as JSON */
  queryBytesMax: 1024 * 1024,
  /** rows of an answer whose gaps are filled: keys × buckets, those before `from` that the columns of a series need included */
  filledRowsMax: 1_000_000,
  /** panes of the windows of a series, each counted once for every window that it is in */
  windowPanesMax: 1_000_000,
} as const
