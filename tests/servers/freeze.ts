/** Stops a process without ending it: its connections stay open, and it answers nothing. */
import { readdirSync, readFileSync } from 'node:fs'
import { until } from '../until.ts'

const LOOK_EVERY_MS = 5

/** Resolves when every thread of it stands still: the signal alone leaves them the time to answer one request more. */
export async function freeze(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP')
  await until(`process ${pid} stands still`, () => standsStill(pid), { everyMs: LOOK_EVERY_MS })
}

export function thaw(pid: number): void {
  process.kill(pid, 'SIGCONT')
}

function standsStill(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).every((task) => isStopped(`${tasks}/${task}/stat`))
}

/** Field 3 of proc_pid_stat(5), behind the name in parentheses; T: stopped. A thread may end while it is looked at. */
function isStopped(stat: string): boolean {
  try {
    return /^ T /.test(readFileSync(stat, 'utf8').replace(/^.*\)/s, ''))
  } catch {
    return false
  }
}
