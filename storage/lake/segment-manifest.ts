/** The commit record of one closed segment. Immutable; its file name contains partition and start, so each start commits only once. */
import { sumByColumn } from '#core/conversion-failures.ts'
import type { Offset, OffsetRange } from '#core/offsets.ts'
import type { RecordPrint } from '#core/record-print.ts'

export interface LakeFile {
  /** path relative to the dataset's folder in the lake */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  /** sha-256, hex, of the file's bytes */
  readonly sha256: string
  /** where its bytes are, if they are stored with those of other files; absent: in a file of its own, under `path`. Only of partials */
  readonly within?: PlaceWithin
}

/** The file that has the bytes of several. */
export interface PlaceWithin {
  /** relative, as that of a LakeFile */
  readonly path: string
  /** of the whole file */
  readonly bytes: number
  /** of the first byte */
  readonly offset: number
}

/** One of the segments that closed together, and whose partials may be stored in the same files. */
export interface ClosingSegment {
  readonly partition: number
  readonly start: Offset
  /** of its manifest */
  readonly createdAtMs: number
}

/** The JSON of a segment's usable events. */
export interface RawFile {
  /** zstd of one line per row of the events file, in the same order */
  readonly file: LakeFile
  /** no line is longer, its line feed included */
  readonly lineBytesMax: number
}

/** The compression of files that other engines read, of events and of views' tables: almost as quick as LZ4, which Trino and others cannot read. */
export const EVENTS_CODEC = 'snappy'

export interface StoredColumn {
  readonly name: string
  readonly type: string
  /** hash of everything that determines its values from an event's JSON; absent for system columns, and in manifests of earlier versions */
  readonly source?: string
}

/** The states of one view for a segment's events. */
export interface PartialStates {
  readonly hash: string
  readonly file: LakeFile
  /**
   * in a summary: the view counts nothing before this offset, because it was defined after the raw events before it had been removed;
   * absent: it counts all of the segment
   */
  readonly since?: UncountedBefore
}

/** What a view does not count of a partition. */
export interface UncountedBefore {
  readonly offset: Offset
  /** the latest event time of what it does not count, epoch ms; null: those offsets had no usable event */
  readonly timeMaxMs: number | null
}

export interface SegmentManifest extends OffsetRange {
  /** 2: a summary; 4: a segment with partials that are stored with those of others. Earlier versions cannot read either */
  readonly format: 1 | 2 | 4
  readonly dataset: string
  /** identity of the log that the offsets belong to */
  readonly log: string
  /**
   * 'gap': the log no longer had these offsets when they should have been read; rows = 0 and no files. 'summary': the raw events and
   * dead letters of the range were removed by policy (`keep.raw`); the states in `partials` and the counts stay
   */
  readonly kind: 'events' | 'gap' | 'summary'
  /** typed rows in Parquet, ordered by offset; null if the segment has no usable row, and in a summary */
  readonly events: LakeFile | null
  /** compression of the events file; absent: LZ4_RAW, as earlier versions wrote it, or no usable row */
  readonly eventsCodec?: typeof EVENTS_CODEC
  /** absent: not kept (`raw: 'drop'`, or an earlier version), or no usable row */
  readonly raw?: RawFile
  /** unusable records in Parquet: _partition INTEGER, _offset BIGINT, _arrival BIGINT, reason VARCHAR, bytes BLOB; null when none */
  readonly deadLetterFile: LakeFile | null
  /** view name → partial state rows of this segment, with the hash of the definition that made them (empty in compacted segments) */
  readonly partials: Readonly<Record<string, PartialStates>>
  /** in format 4: the segments whose partials may be in the same files, this one included. Not all of them need have been committed */
  readonly together?: readonly ClosingSegment[]
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
  /** in a compacted segment and a summary: file names of the manifests it replaces, in order; absent in segments that an owner closed */
  readonly replaces?: readonly string[]
  /** in a summary: the gaps within its range */
  readonly gaps?: readonly OffsetRange[]
}

/** The offsets of a segment that the log had lost before they were read. */
export function gapsIn({ kind, partition, start, end, gaps = [] }: SegmentManifest): readonly OffsetRange[] {
  return kind === 'gap' ? [{ partition, start, end }] : gaps
}

/** The failed conversions of several segments, as a manifest states them. */
export function unconvertedOf(segments: readonly SegmentManifest[]): Pick<SegmentManifest, 'unconverted'> {
  const counts = segments.map(({ unconverted }) => unconverted).filter((each) => each !== undefined)
  return counts.length === 0 ? {} : { unconverted: sumByColumn(counts) }
}
