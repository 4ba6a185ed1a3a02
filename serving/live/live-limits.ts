/** Bounds of what a serving process keeps resident and of the work it does unasked, by name. */
export interface LiveLimits {
  /** records of the log's tail that one refresh decodes at the most, over all partitions */
  readonly refreshRecordsMax: number
  readonly refreshBytesMax: number
  /** bytes of the records behind the closed segments that are kept decoded; beyond it answers stay where they are until segments close */
  readonly tailBytesMax: number
  /** Parquet bytes of closed segments' partials that one view keeps as a table; the rest is read from the files */
  readonly closedBytesMax: number
  /** Parquet bytes of one generation file that is kept as a table; larger ones are read from disk */
  readonly generationFileBytesMax: number
  /** a view that was asked for within so long is brought up to date by every refresh */
  readonly hotMs: number
  /** for which all of them together take this share of a processor in the long run: the first while little arrives … */
  readonly followShareMin: number
  /** … and this one from so many records a second on */
  readonly followShareMax: number
  readonly followShareMaxAt: number
  /** a query waits this long for its view to be brought up to date, where the view was not long ago */
  readonly followWaitMsMax: number
  /** the others are brought up to date this often at the most, so that a first answer has little left to do … */
  readonly coldEveryMs: number
  /** … after at least this many times what it took before … */
  readonly coldPauses: number
  /** … and while no more than so many records are left to fold */
  readonly coldRecordsMax: number
  /** between two refreshes while views are asked for, at least */
  readonly refreshPauseMs: number
  /** a pause lasts at least this many times what the refresh before it took: bounds the share of a processor … */
  readonly refreshPauses: number
  /** … but no longer than this, or than the refresh itself: who is behind catches up with half a processor */
  readonly refreshPauseMsMax: number
  /** between two refreshes while nothing is asked for */
  readonly idleRefreshMs: number
  /** of each dataset: answers that are kept for being asked again */
  readonly answersMax: number
  readonly answerBytesMax: number
  /** an answer is given again for this many times what computing it took, also when newer events are folded meanwhile … */
  readonly reuseFactor: number
  /** … then for so many times longer, at least `aheadMsMin`, in which whoever asks has it computed anew without waiting for it … */
  readonly aheadFactor: number
  readonly aheadMsMin: number
  /** … as long as fewer than so many answers are being computed: behind them it is given as it is */
  readonly aheadMax: number
  /** bounds both times, and the second ends when the new one is there; the first is as long while computing answers takes more than `recomputeShare` of one processor */
  readonly reuseMsMax: number
  readonly recomputeShare: number
}

export const DEFAULT_LIVE_LIMITS: LiveLimits = {
  refreshRecordsMax: 20_000,
  refreshBytesMax: 32 * 1024 * 1024,
  tailBytesMax: 512 * 1024 * 1024,
  closedBytesMax: 48 * 1024 * 1024,
  generationFileBytesMax: 8 * 1024 * 1024,
  hotMs: 10_000,
  followShareMin: 0.15,
  followShareMax: 0.35,
  followShareMaxAt: 5_000,
  followWaitMsMax: 250,
  coldEveryMs: 5_000,
  coldPauses: 100,
  coldRecordsMax: 5_000,
  refreshPauseMs: 20,
  refreshPauses: 2,
  refreshPauseMsMax: 50,
  idleRefreshMs: 500,
  answersMax: 1_000,
  answerBytesMax: 64 * 1024 * 1024,
  reuseFactor: 1,
  aheadFactor: 4,
  aheadMsMin: 50,
  aheadMax: 2,
  reuseMsMax: 2_000,
  recomputeShare: 0.2,
}

/** A delta table is merged when what was added since outweighs what it held, from this many rows on. */
export const MERGE_ROWS_MIN = 50_000
