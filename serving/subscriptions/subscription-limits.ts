/** Bounds of live answers, by name. */
import type { HistoryLimits } from './event-history.ts'

export interface SubscriptionLimits extends HistoryLimits {
  /** readers of this process; below `connectionsMax`, so that they leave connections for others */
  readonly liveReadersMax: number
  readonly liveReadersPerClientMax: number
  /** different queries that are read live */
  readonly liveQueriesMax: number
  /** bytes of the rows of an answer that is read live */
  readonly liveAnswerBytesMax: number
  /** bytes that wait for one reader; beyond it later events are not queued: the newest answer replaces them */
  readonly readerBytesMax: number
  /** a reader that takes nothing for so long is disconnected */
  readonly readerStalledMsMax: number
  /** minimum interval between two events of one query */
  readonly eventPauseMs: number
  /** the same where only the position changed, not the rows */
  readonly positionPauseMs: number
  /** share of a processor for computing live answers and sending them, over all queries */
  readonly liveShare: number
  /** pause before an answer is tried again after an error */
  readonly retryPauseMs: number
  /** a query without readers is kept for those that come back */
  readonly lingerMs: number
  /** between two comments on a stream without events */
  readonly heartbeatMs: number
  /** what a client is told to wait before it connects again: from this to twice as long */
  readonly reconnectMs: number
  /** how long a reader waits for its position before it is told that it was not reached */
  readonly waitMsMax: number
  readonly queryMsMax: number
}

export const DEFAULT_SUBSCRIPTION_LIMITS: Omit<SubscriptionLimits, 'waitMsMax' | 'queryMsMax'> = {
  historyEventsMax: 500,
  historyBytesMax: 1024 * 1024,
  liveReadersMax: 800,
  liveReadersPerClientMax: 200,
  liveQueriesMax: 100,
  liveAnswerBytesMax: 2 * 1024 * 1024,
  readerBytesMax: 256 * 1024,
  readerStalledMsMax: 60_000,
  eventPauseMs: 100,
  positionPauseMs: 1_000,
  liveShare: 0.5,
  retryPauseMs: 1_000,
  lingerMs: 60_000,
  heartbeatMs: 15_000,
  reconnectMs: 1_000,
}
