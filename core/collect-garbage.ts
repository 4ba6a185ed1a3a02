/**
 * Collections of garbage by the clock. The engine's results hold memory outside of JavaScript's heap, which comes back when their objects are
 * collected. V8 does not know of it: a process whose heap stays small collects old objects seldom, and kept tens of megabytes for an hour.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** a collection of such a heap takes some 30 ms */
const COLLECT_EVERY_MS = 60_000

type Collect = (options: { readonly type: 'major'; readonly execution: 'async' }) => Promise<void>

/**
 * Collects once a minute for as long as the process lives, which it does not prolong. For processes with an engine of their own.
 * @returns what ends it
 */
export function collectGarbage(everyMs = COLLECT_EVERY_MS): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as Collect
  const timer = setInterval(() => void collect({ type: 'major', execution: 'async' }), everyMs)
  timer.unref()
  return () => clearInterval(timer)
}
