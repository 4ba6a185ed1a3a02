/** The commit record of one closed segment. Immutable; its file name contains partition and start, so each start commits only once. */
import { sumByColumn } from '#core/conversion-failures.ts'
import type { OffsetRange } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'

export interface LakeFile {
  /** path relative to the dataset's folder in the lake */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  /** sha-256, hex, of the file's bytes */
  readonly sha256: string
}

/** The JSON of a segment's usable events. */
export interface RawFile {
  /** zstd of one line per row of the events file, in the same order */
  readonly file: LakeFile
  /** no line is longer, its line feed included */
  readonly lineBytesMax: number
}

export interface StoredColumn {
  readonly name: string
  readonly type: string
  /** hash of everything that determines its values from an event's JSON; absent for system columns, and in manifests of earlier versions */
  readonly source?: string
}

export interface SegmentManifest extends OffsetRange {
  readonly format: 1
  readonly dataset: string
  /** identity of the log that the offsets belong to */
  readonly log: string
  /** 'gap': the log no longer had these offsets when they should have been read; rows = 0 and no files */
  readonly kind: 'events' | 'gap'
  /** typed rows in Parquet, ordered by offset; null if the segment has no usable row */
  readonly events: LakeFile | null
  /** absent: not kept (`raw: 'drop'`, or an earlier version), or no usable row */
  readonly raw?: RawFile
  /** unusable records in Parquet: _partition INTEGER, _offset BIGINT, _arrival BIGINT, reason VARCHAR, bytes BLOB; null when none */
  readonly deadLetterFile: LakeFile | null
  /** view name → partial state rows of this segment, with the hash of the definition that made them (empty in compacted segments) */
  readonly partials: Readonly<Record<string, { readonly hash: string; readonly file: LakeFile }>>
  /** usable rows */
  readonly rows: number
  readonly deadLetters: number
  /** column → usable rows in which its value was present but could not be converted; absent if there are none */
  readonly unconverted?: Readonly<Record<string, number>>
  /** number of offsets in the range without a record (aborted transactions, control records, compaction); absent if none */
  readonly holes?: number
  /** the last record of the range, by which a log that was replaced is detected; absent if there is none, or its writer did not tell */
  readonly last?: RecordPrint
  /** range of the rows' event times, epoch ms, both inclusive; null if rows = 0 */
  readonly timeRange: { readonly minMs: number; readonly maxMs: number } | null
  readonly late: { readonly rows: number; readonly maxMs: number }
  /** CompiledDataset.schemaHash, and the typed columns of the events file */
  readonly schemaHash: string
  readonly columns: readonly StoredColumn[]
  readonly createdAtMs: number
  /** in a compacted segment: file names of the manifests it replaces, in order; absent in segments that an owner closed */
  readonly replaces?: readonly string[]
}

/** The failed conversions of several segments, as a manifest states them. */
export function unconvertedOf(segments: readonly SegmentManifest[]): Pick<SegmentManifest, 'unconverted'> {
  const counts = segments.map(({ unconverted }) => unconverted).filter((each) => each !== undefined)
  return counts.length === 0 ? {} : { unconverted: sumByColumn(counts) }
}
