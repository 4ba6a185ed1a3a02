/** Bounds of the stream role, by name. */
export interface StreamLimits {
  /** a micro-batch: records and bytes read from the log at once, per partition */
  readonly batchRecordsMax: number
  readonly batchBytesMax: number
  /** a micro-batch with this many records gets a table of its own; fewer are cheaper to copy than a further table is to read, again and again */
  readonly ownTableRecordsMin: number
  /** a segment closes at the first of these; a crash replays at most one segment */
  readonly segmentRecordsMax: number
  readonly segmentBytesMax: number
  readonly segmentAgeMsMax: number
  /** micro-batches and open segments of all partitions together */
  readonly openBytesMax: number
  /** a segment with this many records closes when a flush of it takes too long, or is due while the owner catches up: what a flush costs grows with what is open */
  readonly slowSegmentRecordsMin: number
  /** how often the touched partials go to the speed store */
  readonly flushEveryMs: number
  /** the same while the owner is far behind the log: its micro-batches are full */
  readonly flushBehindEveryMs: number
  /** between two flushes of a partition lies at least this many times what the last one took */
  readonly flushPauses: number
  /** the same is not longer than this: a marker that is older than 30 s tells readers that no stream role runs */
  readonly flushPauseMsMax: number
  /** how long to wait for new records when there are none */
  readonly pollEveryMs: number
  /** the same after many waits in vain */
  readonly idlePollEveryMs: number
  /**
   * how often the marker of an open segment without new records is written, and one for all partitions that have no open segment: it tells
   * that their worker lives
   */
  readonly markerEveryMs: number
  /** partials of closed segments stay this long for readers that saw the lake before */
  readonly readerGraceMs: number
  /** the log keeps records this long after they are in a closed segment */
  readonly logRetentionMs: number
  /** after a fault the owner starts again from the lake, waiting this long at first, doubling up to the maximum */
  readonly retryMsFirst: number
  readonly retryMsMax: number
  /** how long a stop waits for the last flushes; what a part that is away keeps from being flushed is folded again at the next start */
  readonly stopMsMax: number
  /** rows that one clean-up statement deletes at the most */
  readonly cleanUpRowsMax: number
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  batchRecordsMax: 25_000,
  batchBytesMax: 48 * 1024 * 1024,
  ownTableRecordsMin: 5_000,
  segmentRecordsMax: 100_000,
  segmentBytesMax: 256 * 1024 * 1024,
  segmentAgeMsMax: 60_000,
  openBytesMax: 768 * 1024 * 1024,
  slowSegmentRecordsMin: 20_000,
  flushEveryMs: 700,
  flushBehindEveryMs: 10_000,
  flushPauses: 4,
  flushPauseMsMax: 20_000,
  pollEveryMs: 25,
  idlePollEveryMs: 250,
  markerEveryMs: 10_000,
  readerGraceMs: 60_000,
  logRetentionMs: 3_600_000,
  retryMsFirst: 200,
  retryMsMax: 10_000,
  stopMsMax: 10_000,
  cleanUpRowsMax: 20_000,
}
