/** The whole platform as its own process, and what can be read of it from outside. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { resultOf, spawnNode } from './pinned-process.ts'
import { cpuSeconds, residentMib } from './process-usage.ts'

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
  readonly pid: number

  static async start(options: ServerOptions): Promise<ServerProcess> {
    const settings = { batchIncrementalCron: ONCE_A_YEAR, batchFullCron: ONCE_A_YEAR, ...options.settings }
    const parameters = ['start', '--no-demo', '--port', '0', '--json', '--log-level', 'error']
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
    const reply = await fetch(`${this.url}${path}`)
    if (reply.status !== 200) throw new Error(`${path} was answered with ${reply.status}: ${await reply.text()}`)
    return (await reply.json()) as Body
  }

  answer<Row = unknown>(path: string): Promise<{ readonly data: readonly Row[]; readonly meta: ServedMeta }> {
    return this.get(path)
  }

  /** The sum of a metric over all its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
  }

  /** Waits until an answer to the path is as wanted, asking every 100 ms. */
  async until(path: string, wanted: (meta: ServedMeta) => boolean): Promise<ServedMeta> {
    for (;;) {
      const { meta } = await this.answer(path)
      if (wanted(meta)) return meta
      await sleep(100)
    }
  }

  /** Stops it as Ctrl-C does; with `hard` as kill -9 does. Nothing to do where it has ended. */
  async stop(hard = false): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill(hard ? 'SIGKILL' : 'SIGTERM')
    await ended
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
