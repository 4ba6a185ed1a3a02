/** Waiting for what other threads, processes and servers do. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** default 60,000 */
  readonly withinMs?: number
  /** between two looks; default 20 */
  readonly everyMs?: number
  /** true ends the wait at once: it will not come any more */
  readonly futile?: () => boolean
  /** a look that throws has found nothing yet; by default what it throws ends the wait */
  readonly faultsPass?: boolean
  /** what else belongs into the error, for example the output of a process */
  readonly said?: () => string
}

type Look<Found> = () => Found | null | false | Promise<Found | null | false>

/**
 * Looks again and again until it finds something: neither null nor false.
 *
 * ```ts
 * const answer = await until('all is counted', async () => {
 *   const answer = await ask()
 *   return answer.meta.behind === 0 && answer
 * })
 * ```
 * @throws what a look throws; Error with what was waited for, and for how long
 */
export async function until<Found>(what: string, look: Look<Found>, patience: Patience = {}): Promise<Found> {
  const { withinMs = 60_000, everyMs = 20, futile = () => false, faultsPass = false, said } = patience
  const beganMs = performance.now()
  for (;;) {
    let fault: unknown
    try {
      const found = await look()
      if (found !== null && found !== false) return found
    } catch (error) {
      if (!faultsPass) throw error
      fault = error
    }
    const waitedMs = Math.round(performance.now() - beganMs)
    if (waitedMs >= withinMs || futile()) {
      const last = fault === undefined ? '' : `; last: ${fault instanceof Error ? fault.message : fault}`
      const more = said === undefined ? '' : `\n${said()}`
      throw new Error(`not so within ${waitedMs} ms: ${what}${last}${more}`, { cause: fault })
    }
    await sleep(everyMs)
  }
}
