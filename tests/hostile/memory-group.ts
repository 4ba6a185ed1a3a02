/** A control group of Linux that limits the memory of the processes in it, as a container does. */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const MIB = 1024 * 1024

/** Where each version of control groups keeps them, and the names of its files. */
const VERSIONS = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', peak: 'memory.max_usage_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max', peak: 'memory.peak' },
] as const

export class MemoryGroup {
  readonly #folder: string
  readonly #peak: string

  private constructor(folder: string, peak: string) {
    this.#folder = folder
    this.#peak = peak
  }

  /** null: this machine, or this user, may not make one */
  static make(mib: number): MemoryGroup | null {
    for (const { root, limit, peak } of VERSIONS) {
      const folder = join(root, `watershed-hostile-${process.pid}`)
      try {
        mkdirSync(folder)
      } catch {
        continue
      }
      const group = new MemoryGroup(folder, peak)
      try {
        writeFileSync(join(folder, limit), String(mib * MIB), { flag: 'r+' })
        return group
      } catch {
        group.remove()
      }
    }
    return null
  }

  /** The command line that runs another one, and all that it starts, in the group. */
  within(command: string, words: readonly string[]): [command: string, words: string[]] {
    const procs = join(this.#folder, 'cgroup.procs')
    return ['/bin/sh', ['-c', 'echo $$ > "$0" && exec "$@"', procs, command, ...words]]
  }

  /** What the group had at most, with files that the system kept for it, MiB; NaN: it does not say. */
  get peakMib(): number {
    try {
      return Number(readFileSync(join(this.#folder, this.#peak), 'utf8')) / MIB
    } catch {
      return Number.NaN
    }
  }

  /** All that ran in it must have ended. */
  remove(): void {
    rmdirSync(this.#folder)
  }
}
