/**
 * Port: presented rows for people who work with the cluster's own tools. One index per view, under the name that they query; its
 * contents are answers, not states, and nothing of the product ever reads them back.
 * Driver: elasticsearch-presented-store.
 */
import type { Offset } from '#core/offsets.ts'

export type PresentedType = 'keyword' | 'long' | 'double' | 'boolean' | 'date' | 'geo_point'

export interface PresentedField {
  readonly name: string
  readonly type: PresentedType
}

export interface PresentedIndex {
  /** what people query, e.g. meetup_rsvps-trending_topics */
  readonly name: string
  /** every field that a row may have; a row with another one is refused */
  readonly fields: readonly PresentedField[]
  /** rows are kept by UTC day, and whole days are dropped */
  readonly daily: boolean
}

export interface PresentedRow {
  /** the same id is the same row: written again it is replaced */
  readonly id: string
  /** a JSON object on one line, fields of the index only */
  readonly json: string
  /** a lower version never overwrites a higher one */
  readonly version: number
  /** epoch ms; decides the day of a daily index */
  readonly dayMs?: number
}

/** What an index shows. */
export interface PresentedProgress {
  /** changes when all rows have to be presented anew */
  readonly definition: string
  readonly generation: string | null
  /** per partition: events before it are presented */
  readonly positions: readonly Offset[]
  /** daily windows: those that end up to here are presented, epoch ms */
  readonly throughMs: number | null
}

export interface PresentedTally {
  readonly rows: number
  /** rows that the server did not take, with its reason; at most `REFUSALS_TOLD_MAX` are told */
  readonly refused: number
  readonly reasons: readonly string[]
}

export const REFUSALS_TOLD_MAX = 10

export type PresentedRows = AsyncIterable<readonly PresentedRow[]> | Iterable<readonly PresentedRow[]>

export interface PresentedStore {
  /** null when there is no such index */
  progress(index: PresentedIndex): Promise<PresentedProgress | null>
  /**
   * Fills a new index and puts it in the place of the old one in one step: queries see all of the old rows or all of the new ones.
   * Fails, and leaves the old one, when a row is refused. For indices that are not daily.
   */
  replace(index: PresentedIndex, rows: PresentedRows, progress: PresentedProgress): Promise<PresentedTally>
  /** Adds and replaces rows; queries see none of them before all are there. Then the progress is noted. */
  update(index: PresentedIndex, rows: PresentedRows, progress: PresentedProgress): Promise<PresentedTally>
  /** Drops the days of a daily index that end at or before `beforeMs`. Returns how many. */
  dropDays(index: PresentedIndex, beforeMs: number): Promise<number>
  /** Removes the index with all of its rows. */
  remove(index: PresentedIndex): Promise<void>
  close(): Promise<void>
}
