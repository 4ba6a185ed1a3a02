/**
 * What an owner needs of the fold of one open segment. The real one is RowsFold on DuckDB; the protocol simulation has a
 * counter in memory. A fold belongs to one partition and is used for one open segment after the other.
 */
import type { Offset } from '#core/offsets.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import type { RecordBatch } from '#storage/log/event-log.ts'
import type { Marker, PartialRow } from '#storage/speed-store/speed-store.ts'

export interface SegmentFold {
  /** forgets everything and begins an empty segment at `start` */
  begin(start: Offset): Promise<void>
  /** decodes and folds the next records; the batch starts where the segment ends now */
  append(batch: RecordBatch): Promise<void>
  readonly start: Offset
  readonly end: Offset
  /** records folded, dead letters included */
  readonly records: number
  /** bytes of the records folded */
  readonly bytes: number
  /** absolute values of the keys touched since the last `settle`, and the marker that goes with them */
  dirty(atMs: number): Promise<{ readonly partials: readonly PartialRow[]; readonly marker: Marker }>
  /** the values given by the last `dirty` are stored */
  settle(through: Offset): void
  /** writes the segment's files under their final names, durably; the manifest is returned, not committed */
  land(atMs: number): Promise<SegmentManifest>
}
