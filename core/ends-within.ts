/** Waiting with a time limit. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether `work` ended within `ms` milliseconds; if not, it continues to run. @throws what `work` throws within that time */
export async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const done = new AbortController()
  const late = sleep(ms, false, { signal: done.signal }).catch(() => false)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    done.abort()
  }
}
