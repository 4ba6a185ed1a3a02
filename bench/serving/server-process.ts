/** The whole platform as a process of its own, with those that it starts, and what can be read of it from outside. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { ConnectionPool } from './http-connection.ts'
import { resultOf, spawnNode } from './pinned-process.ts'
import { cpuSeconds, familyOf, residentMib } from './process-usage.ts'

const MAIN = join(import.meta.dirname, '../../runtime/main.ts')
/** no batch run of the schedule falls into a row by chance */
const ONCE_A_YEAR = '0 0 1 1 *'

export interface ServerOptions {
  readonly folder: string
  /** the core that the process is held to; default: all */
  readonly core?: number
  /** default: the shipped RSVPs */
  readonly datasets?: readonly string[]
  readonly settings?: Readonly<Record<string, string | number | boolean>>
  /** runs the demo's event streams; default: false */
  readonly demo?: boolean
}

export interface ServedMeta {
  readonly position: readonly number[]
  readonly behind: number | null
  readonly rows: { readonly batch: number; readonly closed: number; readonly open: number }
  readonly to: string
}

export class ServerProcess {
  readonly url: string
  readonly #child: ChildProcess
  readonly #connections: ConnectionPool
  readonly pid: number

  static async start(options: ServerOptions): Promise<ServerProcess> {
    const settings = { batchIncrementalCron: ONCE_A_YEAR, batchFullCron: ONCE_A_YEAR, ...options.settings }
    const parameters = ['start', options.demo ? '--demo' : '--no-demo', '--port', '0', '--json', '--log-level', 'error']
    const child = spawnNode(MAIN, [...parameters, ...sharedFlags({ ...options, settings })], options.core)
    const [line] = (await Promise.race([
      once(createInterface(child.stdout!), 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error('the platform did not start'))),
    ])) as [string]
    const { url, process: pid } = JSON.parse(line) as { url: string; process: number }
    return new ServerProcess(child, url, pid)
  }

  private constructor(child: ChildProcess, url: string, pid: number) {
    this.#child = child
    this.#connections = new ConnectionPool(url)
    this.url = url
    this.pid = pid
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.pid)
  }

  get residentMib(): number {
    return residentMib(this.pid)
  }

  /** @throws Error for any status but 200 */
  async get<Body>(path: string): Promise<Body> {
    return JSON.parse(await this.#text(path)) as Body
  }

  answer<Row = unknown>(path: string): Promise<{ readonly data: readonly Row[]; readonly meta: ServedMeta }> {
    return this.get(path)
  }

  /** The sum of a metric over all its labels, or over those lines that have `label`; 0 where there are none. */
  async metric(name: string, label = ''): Promise<number> {
    const lines = (await this.#text('/metrics'))
      .split('\n')
      .filter((line) => /^\w+/.exec(line)?.[0] === name && line.includes(label))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  async #text(path: string): Promise<string> {
    const { status, body } = await this.#connections.use((connection) => connection.get(path))
    if (status !== 200) throw new Error(`${path} was answered with ${status}: ${body}`)
    return body.toString('utf8')
  }

  /** Waits until an answer to the path is as wanted, asking every 100 ms. */
  async until(path: string, wanted: (meta: ServedMeta) => boolean): Promise<ServedMeta> {
    for (;;) {
      const { meta } = await this.answer(path)
      if (wanted(meta)) return meta
      await sleep(100)
    }
  }

  /** Waits until it has done what it began with: half a second in which it uses less than a tenth of a core. */
  async untilIdle(): Promise<void> {
    for (;;) {
      const before = this.cpuSeconds
      await sleep(500)
      if (this.cpuSeconds - before < 0.05) return
    }
  }

  /** Stops it as Ctrl-C does; with `hard` as kill -9 does. Nothing to do where it has ended. */
  async stop(hard = false): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#connections.close()
    const ended = once(this.#child, 'exit')
    const roles = familyOf(this.pid).filter(({ pid }) => pid !== this.pid)
    this.#child.kill(hard ? 'SIGKILL' : 'SIGTERM')
    await ended
    for (const { pid } of hard ? roles : []) killIfThere(pid)
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended with the process that started it.
  }
}

/** Runs `watershed batch run --full` on a data folder to its end. */
export async function recomputeFully(options: ServerOptions): Promise<void> {
  const child = spawnNode(MAIN, ['batch', 'run', '--full', '--json', '--log-level', 'error', ...sharedFlags(options)])
  await resultOf(child, 'batch run')
}

/** Whether `watershed verify` finds every view equal to its recount. */
export async function verified(folder: string): Promise<boolean> {
  const child = spawnNode(MAIN, ['verify', '--json', '--log-level', 'error', ...sharedFlags({ folder })])
  const [report] = await resultOf<readonly { readonly equal: boolean }[]>(child, 'verify')
  return report!.equal
}

function sharedFlags({ folder, datasets = [], settings = {} }: ServerOptions): string[] {
  return [
    ...['--data', folder],
    ...datasets.flatMap((dataset) => ['--dataset', dataset]),
    ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
  ]
}
