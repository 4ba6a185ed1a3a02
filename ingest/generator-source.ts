/** Drives a generator of lines into an intake at a steady rate, in small batches, until stopped. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Intake, IntakeBusyError } from './intake.ts'

export interface LineGenerator {
  /** the next line at the given time, epoch ms */
  next(nowMs: number): string
}

export interface GeneratorSourceOptions {
  readonly eventsPerSecond: number
  readonly signal: AbortSignal
  /** told about faults of the log; the source waits and goes on */
  readonly onFault?: (error: Error) => void
}

const TICK_MS = 100
const BATCH_ROWS_MAX = 5_000
const FAULT_WAIT_MS = 1_000

/** Resolves when the signal says stop; returns how many lines were taken. What is unusable goes in as well, to become dead letters. */
export async function runGenerator(
  intake: Intake,
  generator: LineGenerator,
  options: GeneratorSourceOptions,
): Promise<number> {
  let taken = 0
  let owed = 0
  let last = performance.now()
  while (!options.signal.aborted) {
    await sleep(TICK_MS, undefined, { signal: options.signal }).catch(() => {})
    const now = performance.now()
    // What could not be sent in time is not owed for ever: at most one second's worth.
    owed = Math.min(owed + ((now - last) * options.eventsPerSecond) / 1_000, options.eventsPerSecond, BATCH_ROWS_MAX)
    last = now
    const count = Math.floor(owed)
    if (count === 0 || options.signal.aborted) continue
    owed -= count
    const nowMs = Date.now()
    const rows = Array.from({ length: count }, () => generator.next(nowMs))
    try {
      taken += (await intake.offer(rows, { acceptUnusable: true })).accepted
    } catch (error) {
      if (!(error instanceof IntakeBusyError)) options.onFault?.(error as Error)
      await sleep(FAULT_WAIT_MS, undefined, { signal: options.signal }).catch(() => {})
    }
  }
  return taken
}
