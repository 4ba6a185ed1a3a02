/**
 * Port: absolute partial values of open segments, and per partition and segment a marker with the position that they cover.
 * Drivers: sqlite-speed-store (embedded), Elasticsearch (cluster). One store object serves one dataset.
 */
import type { Offset, Positions } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'

/** The absolute partial value of one key of one view in one open segment. Identity: (view, partition, segmentStart, key). */
export interface PartialRow {
  /** the view's hash */
  readonly view: string
  readonly partition: number
  readonly segmentStart: Offset
  /** pane and dimensions as canonical JSON text, e.g. [1489925460000,"us"] */
  readonly key: string
  /** start of the pane, epoch ms; null for views without time */
  readonly pane: number | null
  /** the flush's `through`: a lower version never overwrites a higher one; equal versions overwrite (values are equal) */
  readonly version: Offset
  /** the state row as JSON object text (columns of CompiledView.stateColumns); opaque to the store */
  readonly row: string
}

/** "Everything of this partition in [segmentStart, through) is in the partials of these views, and of no others." */
export interface Marker {
  readonly partition: number
  readonly segmentStart: Offset
  /** exclusive */
  readonly through: Offset
  readonly atMs: number
  /** hashes of the folded views: the writer did not fold partials of other definitions */
  readonly views: readonly string[]
  /** so that readers can tell late and unusable rows of the open segment, absolute values like the partials */
  readonly rows: number
  readonly deadLetters: number
  readonly lateRows: number
  readonly timeMaxMs: number | null
  /** the last record that is counted, by which a log that was replaced is detected; absent if there is none, or its writer did not tell */
  readonly last?: RecordPrint
}

/** Panes by their start, epoch ms: `fromMs` inclusive, `beforeMs` exclusive; absent: unbounded. */
export interface PaneRange {
  readonly fromMs?: number
  readonly beforeMs?: number
}

export interface OpenPartials {
  /** markers of exactly the requested (partition, segmentStart); absent if nothing was flushed for it */
  readonly markers: ReadonlyMap<number, Marker>
  /** state rows as JSON texts: requested view hash → rows */
  readonly rows: ReadonlyMap<string, readonly string[]>
  /**
   * Partitions that were read during a flush: some of their rows already include events up to this offset (exclusive),
   * beyond the marker. Absent or empty: rows and markers are consistent.
   */
  readonly ahead?: ReadonlyMap<number, Offset>
}

export interface SpeedStore {
  /**
   * Writes partials first, then the marker. Embedded: one transaction. Versions lower than the stored ones are silently ignored.
   * @throws an error with `reason: 'replaced'` if what this handle flushed of the segment was deleted or reverted: fold it again
   */
  flush(partials: readonly PartialRow[], marker: Marker): Promise<void>
  /**
   * Partials and markers of the open segments that start at `starts` (partition → segment start), for the given view hashes.
   * Rows are never older than the marker returned with them; `ahead` reports if they are newer. The embedded driver reads both
   * in one transaction (exactly consistent).
   * @param panes rows of other panes are not read; rows without a pane always are
   * @throws an error with `reason: 'damaged'` if a row differs from the one that was written, 'too-large' beyond the limits
   */
  read(views: readonly string[], starts: Positions, panes?: PaneRange): Promise<OpenPartials>
  /** the newest marker (highest segment start) of each partition */
  markers(): Promise<ReadonlyMap<number, Marker>>
  /** Deletes markers, then partials, of the partition's segments that start before `before`; at most `limit` rows; returns how many (0 = done). */
  deleteClosed(partition: number, before: Offset, limit: number): Promise<number>
  close(): Promise<void>
}
