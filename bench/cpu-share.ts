/** Holds this process, and nothing else, to a share of one core: as if what it talks to had a machine of its own. Linux, with rights to make control groups. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** short, so that a request is not held up for long */
const PERIOD_US = 10_000

interface Hierarchy {
  readonly root: string
  /** only there where the root is one of control groups */
  readonly mark: string
  limit(folder: string, quotaUs: number): void
}

const HIERARCHIES: readonly Hierarchy[] = [
  {
    root: '/sys/fs/cgroup/cpu',
    mark: 'cpu.cfs_quota_us',
    limit: (folder, quotaUs) => {
      writeFileSync(join(folder, 'cpu.cfs_period_us'), String(PERIOD_US))
      writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(quotaUs))
    },
  },
  {
    root: '/sys/fs/cgroup',
    mark: 'cgroup.controllers',
    limit: (folder, quotaUs) => writeFileSync(join(folder, 'cpu.max'), `${quotaUs} ${PERIOD_US}`),
  },
]

/** Begins to hold; the answer ends it. Null when this machine does not let us. */
export function holdToShare(cores: number): (() => void) | null {
  for (const { root, mark, limit } of HIERARCHIES) {
    if (!existsSync(join(root, mark))) continue
    const folder = join(root, `watershed-bench-${process.pid}`)
    const move = (to: string): void => writeFileSync(join(to, 'cgroup.procs'), String(process.pid))
    try {
      mkdirSync(folder)
      limit(folder, cores * PERIOD_US)
      move(folder)
      return () => {
        move(root)
        rmdirSync(folder)
      }
    } catch {
      try {
        rmdirSync(folder)
      } catch {}
    }
  }
  return null
}
