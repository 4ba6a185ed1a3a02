import { ANSWER_BYTES_MAX } from '../answers/bounded-rows.ts'

/** Bounds of what a serving process keeps resident and of the work it does unasked, by name. */
export interface LiveLimits {
  /** records of the log's tail that one refresh decodes at the most, over all partitions */
  readonly refreshRecordsMax: number
  readonly refreshBytesMax: number
  /** bytes of the records behind the closed segments that are kept decoded; beyond it answers stay where they are until segments close */
  readonly tailBytesMax: number
  /** records of a partition between what was read and the log's end, from which on they are left to the stream role … */
  readonly leftRecordsMin: number
  /** … if there are so many soon: as many as make it close a segment instead of flushing it */
  readonly closedRecordsMin: number
  /** how long a segment that holds them is waited for; then they are read, and until it has closed no more are left */
  readonly leftMsMax: number
  /** Parquet bytes of closed segments' partials that one view keeps as a table, estimated after rows of the same key are merged; other files are read for each answer */
  readonly closedBytesMax: number
  /** Parquet bytes of one generation file that is kept as a table as soon as it is there */
  readonly generationFileBytesMax: number
  /**
   * Parquet bytes of larger generation files that are kept as tables, of all datasets of an engine together; the rest is read from disk.
   * A table takes about half of its file's bytes to all of them, depending on what its columns are
   */
  readonly largeFilesBytesMax: number
  /** answers that a view has computed from larger files, beyond which they are made into tables */
  readonly largeAfterAnswers: number
  /** rows of such a file that are sorted and added together: as many as the engine skips or reads at once, or a multiple */
  readonly largePieceRows: number
  /** a view that was queried within this time is brought up to date continuously */
  readonly hotMs: number
  /** long-term share of a processor for bringing those views up to date, at low rates of events */
  readonly followShareMin: number
  /** the same at `followShareMaxAt` events per second or `followShareMaxReaders` live readers, and above; in between it grows linearly */
  readonly followShareMax: number
  readonly followShareMaxAt: number
  readonly followShareMaxReaders: number
  /** those views are brought up to date this often, however long it takes */
  readonly followPauseMsMax: number
  /** how long a query waits for its view to be brought up to date, if a recent state exists */
  readonly followWaitMsMax: number
  /** queries of a view whose state is older wait for the next one, except while a tally is being built */
  readonly headAgeMsMax: number
  /** minimum interval between updates of a view that is not queried, so that a first answer has little left to do */
  readonly coldEveryMs: number
  /** the same as a multiple of the duration of the previous update */
  readonly coldPauses: number
  /** a view that is not queried and has more records left to fold is dropped */
  readonly coldRecordsMax: number
  /** a view that was not queried for this long keeps no states of the tail … */
  readonly restAfterMs: number
  /** … as long as it has so few records, all of which the next query folds */
  readonly restRecordsMax: number
  /** minimum pause between two refreshes while views are queried */
  readonly refreshPauseMs: number
  /** minimum pause after a refresh, as a multiple of its duration; bounds its share of a processor */
  readonly refreshPauses: number
  /** upper bound of that minimum, unless the refresh left records unread and took longer: a process that is behind catches up with half a processor */
  readonly refreshPauseMsMax: number
  /** minimum pause between two refreshes while no view is queried */
  readonly idleRefreshMs: number
  /** the pause is longer while fewer records than these would come, as a refresh costs nearly the same for few records as for many … */
  readonly idleRecordsMin: number
  /** … up to this */
  readonly idleRefreshMsMax: number
  /** cached answers, per dataset */
  readonly answersMax: number
  readonly answersBytesMax: number
  /** rows of one answer */
  readonly answerBytesMax: number
  /** how long an outdated answer is reused, as a multiple of the time that computing it took */
  readonly reuseFactor: number
  /** how long it is reused after that while a new one is computed in the background, as the same multiple; at least `aheadMsMin` */
  readonly aheadFactor: number
  readonly aheadMsMin: number
  /** answers that are computed at the same time, beyond which none is computed in the background */
  readonly aheadMax: number
  /** upper bound of each of these times, and the first of them while computing takes more than `recomputeShare` of a processor */
  readonly reuseMsMax: number
  readonly recomputeShare: number
  /** state rows of one view that are also kept as numbers, to answer simple queries without the engine */
  readonly tallyRowsMax: number
  /** bytes of these numbers, and of the texts that they stand for */
  readonly tallyBytesMax: number
  /** computed answers that such a view has given, beyond which they are */
  readonly tallyAfterAnswers: number
}

export const DEFAULT_LIVE_LIMITS: LiveLimits = {
  refreshRecordsMax: 20_000,
  refreshBytesMax: 32 * 1024 * 1024,
  tailBytesMax: 512 * 1024 * 1024,
  leftRecordsMin: 10_000,
  closedRecordsMin: 20_000,
  leftMsMax: 15_000,
  closedBytesMax: 48 * 1024 * 1024,
  generationFileBytesMax: 8 * 1024 * 1024,
  largeFilesBytesMax: 128 * 1024 * 1024,
  largeAfterAnswers: 2,
  largePieceRows: 122_880,
  hotMs: 10_000,
  followShareMin: 0.06,
  followShareMax: 0.35,
  followShareMaxAt: 5_000,
  followShareMaxReaders: 100,
  followPauseMsMax: 1_000,
  followWaitMsMax: 25,
  headAgeMsMax: 10_000,
  coldEveryMs: 5_000,
  coldPauses: 100,
  coldRecordsMax: 5_000,
  restAfterMs: 60_000,
  restRecordsMax: 10_000,
  refreshPauseMs: 10,
  refreshPauses: 2,
  refreshPauseMsMax: 12,
  idleRefreshMs: 500,
  idleRecordsMin: 1_000,
  idleRefreshMsMax: 2_000,
  answersMax: 1_000,
  answersBytesMax: 64 * 1024 * 1024,
  answerBytesMax: ANSWER_BYTES_MAX,
  reuseFactor: 1,
  aheadFactor: 4,
  aheadMsMin: 50,
  aheadMax: 2,
  reuseMsMax: 2_000,
  recomputeShare: 0.2,
  tallyRowsMax: 1_000_000,
  tallyBytesMax: 64 * 1024 * 1024,
  tallyAfterAnswers: 2,
}

/** Pause between two refreshes while no view is queried, ms. */
export function idlePauseMs(
  { idleRefreshMs, idleRecordsMin, idleRefreshMsMax }: LiveLimits,
  recordsPerSecond: number,
): number {
  return Math.max(idleRefreshMs, Math.min(idleRefreshMsMax, (idleRecordsMin / recordsPerSecond) * 1_000))
}

/** The states of closed segments are merged when what was added since outweighs what they held, from this many rows on. */
export const CLOSED_MERGE_ROWS_MIN = 50_000
/** Those of the tail, which are not compressed, and hold what does not count any more until then. */
export const TAIL_MERGE_ROWS_MIN = 5_000
