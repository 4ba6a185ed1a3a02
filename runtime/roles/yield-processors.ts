/** Lowers the priority of this process, or of its engine threads only. */
import { readdirSync, readFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/** name of the threads that run engine statements, and of those that an engine starts; set by Node 24 and later */
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
 * As `yieldProcessors`, but only for the threads of engines, so that the main thread, which handles requests, is scheduled first. Does
 * nothing on systems without a priority for each thread.
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
