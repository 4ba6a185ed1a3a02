/** Offers generated lines to an intake at a steady rate, in small batches, until stopped. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type EventIntake, IntakeBusyError } from './intake.ts'

export interface LineGenerator {
  /** the next line at the given time, epoch ms */
  next(nowMs: number): string
}

/** The source of time and waiting. */
export interface SourceClock {
  /** monotonic, ms: paces the stream */
  elapsedMs(): number
  /** epoch ms: becomes the event time */
  nowMs(): number
  /** resolves early when the signal aborts; never rejects */
  wait(ms: number, signal: AbortSignal): Promise<void>
}

export interface GeneratorSourceOptions {
  readonly eventsPerSecond: number
  readonly signal: AbortSignal
  /** receives faults of the log; the source then waits and offers the same lines again */
  readonly onFault?: (error: Error) => void
  readonly clock?: SourceClock
}

const TICK_MS = 100
const BATCH_ROWS_MAX = 5_000
const FAULT_WAIT_MS = 1_000

const REAL_CLOCK: SourceClock = {
  elapsedMs: () => performance.now(),
  nowMs: () => Date.now(),
  wait: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
}

/**
 * Resolves when the signal aborts; returns the number of lines in the log. Unusable lines are appended as well, and become
 * dead letters. Back-pressure: the next batch is generated when the last one is durable, so a slow log slows the stream down.
 * At most 50,000 events per second (a batch of 5,000 every 100 ms).
 */
export async function runGenerator(
  intake: EventIntake,
  generator: LineGenerator,
  options: GeneratorSourceOptions,
): Promise<number> {
  const clock = options.clock ?? REAL_CLOCK
  const owedMax = Math.min(Math.max(1, options.eventsPerSecond), BATCH_ROWS_MAX, intake.limits.rowsMax)
  let taken = 0
  let owed = 0
  let last = clock.elapsedMs()
  while (!options.signal.aborted) {
    await clock.wait(TICK_MS, options.signal)
    const now = clock.elapsedMs()
    // A backlog is bounded: at most one second's worth of lines is caught up.
    owed = Math.min(owed + ((now - last) * options.eventsPerSecond) / 1_000, owedMax)
    last = now
    const count = Math.floor(owed)
    if (count === 0 || options.signal.aborted) continue
    owed -= count
    const nowMs = clock.nowMs()
    const rows = Array.from({ length: count }, () => generator.next(nowMs))
    taken += await offerUntilTaken(intake, rows, clock, options)
  }
  return taken
}

/** Offers the same lines again after a fault, so that a seeded stream has no holes; 0 if stopped before they were accepted. */
async function offerUntilTaken(
  intake: EventIntake,
  rows: readonly string[],
  clock: SourceClock,
  { signal, onFault }: GeneratorSourceOptions,
): Promise<number> {
  while (!signal.aborted) {
    try {
      return (await intake.offer(rows, { acceptUnusable: true, verdicts: 'rejected' })).accepted
    } catch (error) {
      if (!(error instanceof IntakeBusyError)) onFault?.(error as Error)
      await clock.wait(FAULT_WAIT_MS, signal)
    }
  }
  return 0
}
