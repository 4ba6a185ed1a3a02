/**
 * Collections of garbage that V8 would not make. The engine's results hold memory outside of JavaScript's heap, which comes back when their
 * objects are collected. V8 does not know of it: a process whose heap stays small collects old objects seldom, and kept tens of megabytes for an hour.
 * A thread with little to do fills its own heap with what has died, too, until that has grown to tens of megabytes.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** a collection of such a heap takes some 30 ms */
const COLLECT_EVERY_MS = 60_000

interface Collect {
  (options: { readonly type: 'major'; readonly execution: 'async' }): Promise<void>
  (options: { readonly type: 'minor' }): void
}

let exposed: Collect | null = null

function exposedCollect(): Collect {
  if (exposed === null) {
    setFlagsFromString('--expose-gc')
    exposed = runInNewContext('gc') as Collect
  }
  return exposed
}

/**
 * Collects once a minute for as long as the thread lives, which it does not prolong.
 * @returns what ends it
 */
export function collectGarbage(everyMs = COLLECT_EVERY_MS): () => void {
  const collect = exposedCollect()
  const timer = setInterval(() => void collect({ type: 'major', execution: 'async' }), everyMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** Collects garbage now, for a moment at which no request is waiting. */
export function collectOnce(): Promise<void> {
  return exposedCollect()({ type: 'major', execution: 'async' })
}

/**
 * Small objects with much memory outside of the heap, each of which is soon let go: chunks of the engine, buffers. Every so many of them, the
 * young objects of the heap are collected, which takes a millisecond or two. Otherwise V8 either sees the memory, and collects the whole heap again and again,
 * on all of its threads; or it does not see it, and the memory is kept.
 */
export class ShortLived {
  readonly #every: number
  #made = 0

  constructor(every: number) {
    this.#every = every
  }

  /** To be called for each. */
  made(): void {
    if (++this.#made % this.#every === 0) exposedCollect()({ type: 'minor' })
  }
}
