/** Fixed moments, kept to a fraction of a millisecond. */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

/** A timer may be this much late; the rest is waited for turn by turn, so that sockets are served meanwhile. */
const TIMER_MS = 2

/** Resolves at a moment of performance.now(), or at once when it is over. */
export async function untilMoment(atMs: number): Promise<void> {
  const leftMs = atMs - performance.now()
  if (leftMs > TIMER_MS) await sleep(leftMs - TIMER_MS)
  while (performance.now() < atMs) await turn()
}
