/** A server as its own process: the platform, its intake alone, or the bare one. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { spawnNode } from '../serving/pinned-process.ts'
import { type Flooded, type Flooding, flood } from './flooding.ts'

const SCRIPTS = { start: 'watched-main.ts', intake: 'watched-main.ts', bare: 'reading-server.ts' } as const
/** no batch run falls into a measurement by chance */
const QUIET = ['--log-level', 'error', '--set', 'batchIncrementalCron=0 0 1 1 *', '--set', 'batchFullCron=0 0 1 1 *']

export class FloodedServer {
  readonly url: string
  readonly #child: ChildProcess
  readonly #lines: Interface
  /** of its data */
  readonly folder: string

  /** @param more flags of `start` */
  static async start(kind: keyof typeof SCRIPTS, more: readonly string[] = []): Promise<FloodedServer> {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
    const demo = kind === 'start' ? ['--no-demo'] : []
    const flags = kind === 'bare' ? [] : [kind, ...demo, '--data', folder, '--port', '0', ...QUIET, ...more]
    const child = spawnNode(join(import.meta.dirname, SCRIPTS[kind]), flags)
    const lines = createInterface(child.stdout!)
    const [url] = (await Promise.race([
      once(lines, 'line'),
      once(child, 'exit').then(() => Promise.reject(new Error(`${kind} did not start`))),
    ])) as [string]
    return new FloodedServer(child, lines, folder, url)
  }

  private constructor(child: ChildProcess, lines: Interface, folder: string, url: string) {
    this.#child = child
    this.#lines = lines
    this.folder = folder
    this.url = url
  }

  flood(flooding: Omit<Flooding, 'url' | 'server'>): Promise<Flooded> {
    return flood({ ...flooding, url: this.url, server: this.#child.pid! })
  }

  /** The longest delay of the event loop since the last call, ms. */
  async loopDelayMs(): Promise<number> {
    this.#child.stdin!.write('\n')
    const [line] = (await once(this.#lines, 'line')) as [string]
    return Number(line)
  }

  /** Events that the stream role has not read yet; as the role last told, half a second ago at the most. */
  async streamLag(): Promise<number> {
    const reply = await fetch(`${this.url}/readyz`)
    const { parts } = (await reply.json()) as { parts: { readonly name: string; readonly detail: string }[] }
    const lags = parts.map(({ detail }) => Number(/\blag (\d+)/.exec(detail)?.[1] ?? 0))
    return lags.reduce((sum, lag) => sum + lag, 0)
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** Events that answers do not count yet. */
  async behind(view = 'meetup_rsvps/views/responses_by_country?dimensions=&measures=responses'): Promise<number> {
    const path = `/v1/datasets/${view}`
    const { meta } = (await (await fetch(`${this.url}${path}`)).json()) as { meta: { behind: number } }
    return meta.behind
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    this.#child.stdin!.end()
    await ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}
