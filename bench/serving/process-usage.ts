/** What a process used so far, from Linux' /proc. */
import { readdirSync, readFileSync } from 'node:fs'

/** of /proc/<pid>/stat; Linux shows user programs 100 ticks a second on every platform */
const TICKS_PER_SECOND = 100
const PARENT = 1
const UTIME = 11

/** CPU time of all threads of a process and of the processes that it started and that still run, in user and kernel mode, seconds; resolution 10 ms. */
export function cpuSeconds(pid: number): number {
  return familyOf(pid).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND
}

/** CPU seconds of a platform's processes, by what they do: 'main' serves HTTP and answers. */
export function usageByRole(pid: number): ReadonlyMap<string, number> {
  const byRole = new Map<string, number>()
  for (const { pid: own, ticks } of familyOf(pid)) {
    const role = /(\w+)-thread\.ts/.exec(readFileSync(`/proc/${own}/cmdline`, 'utf8'))?.[1] ?? 'main'
    byRole.set(role, (byRole.get(role) ?? 0) + ticks / TICKS_PER_SECOND)
  }
  return byRole
}

interface Usage {
  readonly pid: number
  readonly parent: number
  readonly ticks: number
}

/** A process and those below it. */
export function familyOf(pid: number): readonly Usage[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => usageOf(Number(name)) ?? [])
  const below = (of: number): Usage[] =>
    all.filter(({ parent }) => parent === of).flatMap((one) => [one, ...below(one.pid)])
  return [...all.filter((one) => one.pid === pid), ...below(pid)]
}

/** null: it has ended */
function usageOf(pid: number): Usage | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The command's name may hold spaces; the fields after it do not.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[PARENT]), ticks: Number(fields[UTIME]) + Number(fields[UTIME + 1]) }
  } catch {
    return null
  }
}

/** CPU time that everything on this machine used since it started, seconds. */
export function machineCpuSeconds(): number {
  const [, user, nice, system, , , irq, softIrq] = /^cpu .*/.exec(readFileSync('/proc/stat', 'utf8'))![0].split(/ +/)
  return [user, nice, system, irq, softIrq].reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND
}

/** Resident memory of a process and of those below it, MiB; pages that they share are counted in each. */
export function residentMib(pid: number): number {
  return familyOf(pid).reduce((sum, one) => sum + ownResidentMib(one.pid), 0)
}

/** Of one process, without those below it, MiB. */
export function ownResidentMib(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
    return Number(kib) / 1_024
  } catch {
    return 0
  }
}

/**
 * Memory of a process and of those below it as the limit of a container counts it, MiB: each process's own pages, and pages of mapped
 * files (Node's and the engine's code) once, however many map them.
 */
export function occupiedMib(pid: number): number {
  const files = new Map<string, number>()
  let ownKib = 0
  for (const { pid: each } of familyOf(pid)) {
    for (const { file, ownKib: own, fileKib } of mappingsOf(each)) {
      ownKib += own
      files.set(file, Math.max(files.get(file) ?? 0, fileKib))
    }
  }
  return (ownKib + [...files.values()].reduce((sum, kib) => sum + kib, 0)) / 1_024
}

interface Mapped {
  readonly file: string
  readonly ownKib: number
  readonly fileKib: number
}

/** By file, all mappings of it together; '' has those of no file. */
function mappingsOf(pid: number): readonly Mapped[] {
  const found = new Map<string, { rss: number; anonymous: number }>()
  let place = { rss: 0, anonymous: 0 }
  for (const line of smapsOf(pid).split('\n')) {
    const [, file] = /^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+\s*(.*)$/.exec(line) ?? []
    if (file !== undefined) {
      const name = file.startsWith('/') ? file : ''
      place = found.get(name) ?? { rss: 0, anonymous: 0 }
      found.set(name, place)
    }
    const [, name, kib] = /^(Rss|Anonymous):\s+(\d+) kB/.exec(line) ?? []
    if (name === 'Rss') place.rss += Number(kib)
    if (name === 'Anonymous') place.anonymous += Number(kib)
  }
  return [...found].map(([file, { rss, anonymous }]) => ({ file, ownKib: anonymous, fileKib: rss - anonymous }))
}

function smapsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps`, 'utf8')
  } catch {
    return ''
  }
}
