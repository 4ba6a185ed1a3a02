/** The lock by which commands see that a stream role is at work, on any machine that shares the lake. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lake } from '#storage/lake/lake.ts'

const TRY_EVERY_MS = 2_000

/**
 * Takes the lock as soon as it is free, and holds it until `release`. Nothing waits for it: several stream roles can run, and the next
 * one takes it when its holder ends. A lock that cannot be taken (a full disk) is tried again.
 */
export function holdStreamLock(
  lake: Pick<Lake, 'tryLock'>,
  tryEveryMs = TRY_EVERY_MS,
): { readonly release: () => Promise<void> } {
  const released = new AbortController()
  const taking = takeLock(lake, tryEveryMs, released.signal)
  return {
    release: async () => {
      released.abort()
      await (await taking)?.release()
    },
  }
}

async function takeLock(
  lake: Pick<Lake, 'tryLock'>,
  tryEveryMs: number,
  released: AbortSignal,
): ReturnType<Lake['tryLock']> {
  while (!released.aborted) {
    const lock = await lake.tryLock('stream').catch(() => null)
    if (lock !== null) return lock
    await sleep(tryEveryMs, undefined, { signal: released, ref: false }).catch(() => {})
  }
  return null
}
