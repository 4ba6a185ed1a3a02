/** A lower priority for the whole process, so that others on the same processors go first. */
import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/**
 * Lowers the priority of all threads of this process; threads that they make later inherit it.
 * @param steps on Linux: 3 are half, 10 a tenth of the processor time of another thread that wants it as well
 * @returns what the system refused it with, else null
 */
export function yieldProcessors(steps: number): Error | null {
  try {
    const priority = Math.min(getPriority() + steps, constants.priority.PRIORITY_LOW)
    for (const thread of threads()) setPriority(thread, priority)
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
