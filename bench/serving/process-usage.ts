/** What a process used so far, from Linux' /proc. */
import { readFileSync } from 'node:fs'

/** of /proc/<pid>/stat; Linux shows user programs 100 ticks a second on every platform */
const TICKS_PER_SECOND = 100
const UTIME = 11

/** CPU time of all threads of a process, in user and kernel mode, seconds; resolution 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name may hold spaces; the fields after it do not.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME]) + Number(fields[UTIME + 1])) / TICKS_PER_SECOND
}

/** CPU time that everything on this machine used since it started, seconds. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softIrq] = /^cpu .*/.exec(readFileSync('/proc/stat', 'utf8'))![0].split(/ +/)
  return [user, nice, system, irq, softIrq].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/** Resident memory, MiB. */
export function residentMib(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kib) / 1_024
}
