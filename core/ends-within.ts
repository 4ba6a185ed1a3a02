/** Waiting for something, but not for ever. */
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether `work` ended within the time; if not, it goes on. @throws what it throws within the time */
export async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const done = new AbortController()
  const late = sleep(ms, false, { signal: done.signal }).catch(() => false)
  try {
    return await Promise.race([work.then(() => true), late])
  } finally {
    done.abort()
  }
}
