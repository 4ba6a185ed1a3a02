/** A lower priority for a process, or for those of its threads that compute, so that others on the same processors go first. */
import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** of a thread of the pool in which engines run their statements, and of those that engines start from one; not before Node 24 */
const POOL_NAME = 'libuv-worker'

/**
 * Lowers the priority of all threads of this process; threads that they make later inherit it.
 * @param steps on Linux: 3 are half, 10 a tenth of the processor time of another thread that wants it as well
 * @returns what the system refused it with, else null
 */
export function yieldProcessors(steps: number): Error | null {
  return lower(threads(), steps)
}

/**
 * As `yieldProcessors`, but only of the threads of engines: the main thread, which answers requests, goes first. Does nothing where a
 * thread has no priority of its own.
 */
export function yieldEngines(steps: number): Error | null {
  if (process.platform !== 'linux') return null
  return lower(threads().filter(isOfPool), steps)
}

function lower(threads: readonly number[], steps: number): Error | null {
  try {
    const priority = Math.min(getPriority() + steps, constants.priority.PRIORITY_LOW)
    for (const thread of threads) setPriority(thread, priority)
    return null
  } catch (error) {
    return error as Error
  }
}

/** Linux keeps a priority for each thread; elsewhere the process has one. */
function threads(): number[] {
  if (process.platform !== 'linux') return [process.pid]
  return readdirSync('/proc/self/task').map(Number)
}

function isOfPool(thread: number): boolean {
  try {
    return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim() === POOL_NAME
  } catch {
    // It has ended.
    return false
  }
}
