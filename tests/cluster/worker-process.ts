/** Starts stream workers and listens to what they print. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { WorkerLine, WorkerSettings } from './stream-worker.ts'

const SCRIPT = fileURLToPath(new URL('./stream-worker.ts', import.meta.url))

export class WorkerProcess {
  readonly lines: WorkerLine[] = []
  /** it has ended, and all that it printed is in `lines` */
  readonly exited: Promise<unknown>
  readonly #child: ChildProcess
  #said = ''

  constructor(settings: WorkerSettings, environment: Readonly<Record<string, string>> = {}) {
    const run = ['--disable-warning=ExperimentalWarning', '--disable-warning=TimeoutNegativeWarning', SCRIPT]
    this.#child = spawn(process.execPath, [...run, JSON.stringify(settings)], {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = once(this.#child, 'close')
    createInterface({ input: this.#child.stdout! }).on('line', (line) =>
      this.lines.push(JSON.parse(line) as WorkerLine),
    )
    this.#child.stderr!.on('data', (text: Buffer) => {
      this.#said = (this.#said + text.toString()).slice(-10_000)
    })
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** what it complained of */
  get said(): string {
    return this.#said
  }

  /** partitions of its flushes since then */
  flushed(sinceMs: number): number[] {
    const flushes = this.lines.filter(({ name, atMs }) => name === 'flush-written' && atMs >= sinceMs)
    return [...new Set(flushes.map(({ fields }) => fields?.partition as number))].sort()
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (this.alive) this.#child.kill(signal)
    await this.exited
  }
}
