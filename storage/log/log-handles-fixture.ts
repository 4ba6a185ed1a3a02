/** Handles on one log for tests: opened by a test, closed after it. */
import { afterEach, beforeEach } from 'vitest'
import type { EventLog } from './event-log.ts'

export interface LogHarness<Options = undefined> {
  /** another handle on the log, as in another process */
  open(options?: Options): Promise<EventLog>
  close(): Promise<void>
}

/** Makes a log before each test, and closes it with all of its handles afterwards. @returns opens a handle on it */
export function logHandles<Options>(
  make: () => Promise<LogHarness<Options>>,
): (options?: Options) => Promise<EventLog> {
  let harness: LogHarness<Options>
  const opened: EventLog[] = []
  beforeEach(async () => {
    harness = await make()
  })
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close()
    await harness.close()
  })
  return async (options) => {
    const log = await harness.open(options)
    opened.push(log)
    return log
  }
}
