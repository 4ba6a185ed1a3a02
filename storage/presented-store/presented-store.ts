/**
 * Port: presented rows for users of the cluster's own tools. One index per view, under the name that users query; it
 * contains answers, not states, and the platform never reads them back.
 * Driver: elasticsearch-presented-store.
 */
import type { Offset } from '#core/offsets.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'

export type PresentedType = 'keyword' | 'long' | 'double' | 'boolean' | 'date' | 'geo_point'

export interface PresentedField {
  readonly name: string
  readonly type: PresentedType
}

export interface PresentedIndex {
  /** the name that users query, e.g. meetup_rsvps-trending_topics */
  readonly name: string
  /** all fields of a row; a row with another field is refused */
  readonly fields: readonly PresentedField[]
  /** rows are stored by UTC day, and dropped by whole days */
  readonly daily: boolean
}

export interface PresentedRow {
  /** identifies the row: writing the same id replaces it */
  readonly id: string
  /** a JSON object on one line, fields of the index only */
  readonly json: string
  /** a lower version never overwrites a higher one */
  readonly version: number
  /** epoch ms; determines the day of a daily index */
  readonly dayMs?: number
}

/** Rows to remove, by a date of theirs. */
export interface GoneRows {
  /** rows of a higher version stay */
  readonly version: number
  readonly field: string
  /** half-open, epoch ms; rows whose other field is of that value stay */
  readonly ranges: readonly {
    readonly fromMs?: number
    readonly beforeMs: number
    readonly unless?: { readonly field: string; readonly is: string }
  }[]
}

/** The position of an index. */
export interface PresentedProgress {
  /** changes if all rows must be presented again */
  readonly definition: string
  readonly generation: string | null
  /** per partition: events before it are presented */
  readonly positions: readonly Offset[]
  /** daily windows: those that end up to here are presented, epoch ms */
  readonly throughMs: number | null
  /** what is left of old panes; absent: all */
  readonly horizon?: PaneHorizon
}

export interface PresentedTally {
  readonly rows: number
  /** rows that the server refused, with its reason; at most `REFUSALS_TOLD_MAX` are reported */
  readonly refused: number
  readonly reasons: readonly string[]
}

export const REFUSALS_TOLD_MAX = 10

export type PresentedRows = AsyncIterable<readonly PresentedRow[]> | Iterable<readonly PresentedRow[]>

export interface PresentedStore {
  /** null if the index does not exist */
  progress(index: PresentedIndex): Promise<PresentedProgress | null>
  /**
   * Fills a new index and atomically replaces the old one: queries see either all old rows or all new ones.
   * Fails, and keeps the old index, if a row is refused. For indices that are not daily.
   */
  replace(index: PresentedIndex, rows: PresentedRows, progress: PresentedProgress): Promise<PresentedTally>
  /**
   * Adds and replaces rows, and removes others that there were before; in each index of a day, all of that becomes visible to queries at
   * once. Then stores the position.
   */
  update(
    index: PresentedIndex,
    rows: PresentedRows,
    progress: PresentedProgress,
    gone?: GoneRows,
  ): Promise<PresentedTally>
  /** Drops the days of a daily index that end at or before `beforeMs`. Returns how many. */
  dropDays(index: PresentedIndex, beforeMs: number): Promise<number>
  /** Removes the index with all of its rows. */
  remove(index: PresentedIndex): Promise<void>
  close(): Promise<void>
}
