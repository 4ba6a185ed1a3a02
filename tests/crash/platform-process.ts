/** The real command line in a process of its own, to be killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../runtime/main.ts', import.meta.url))
/** last lines of stderr that a failure shows */
const SAID_MAX = 40

export interface PlatformProcessOptions {
  /** start, or a single role. Default: start */
  readonly command?: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class PlatformProcess {
  readonly #child: ChildProcess
  readonly #said: string[] = []
  readonly exited: Promise<Exit>
  /** first line of stdout: the address; rejects when the process ends before */
  readonly address: Promise<string>

  constructor(options: PlatformProcessOptions) {
    this.#child = spawn(process.execPath, [MAIN, options.command ?? 'start', ...options.arguments], {
      env: { ...process.env, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = once(this.#child, 'exit').then(([code, signal]) => ({ code, signal }) as Exit)
    createInterface({ input: this.#child.stderr! }).on('line', (line) => {
      this.#said.push(line)
      if (this.#said.length > SAID_MAX) this.#said.shift()
    })
    this.address = this.#firstLine()
    this.address.catch(() => {})
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** the last lines that it wrote to stderr */
  get said(): string {
    return this.#said.join('\n')
  }

  /** Freezes it: its connections stay open, it does nothing. */
  suspend(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<Exit> {
    this.#child.kill('SIGKILL')
    return this.exited
  }

  /** Asks it to stop as Ctrl-C does. */
  async stop(): Promise<Exit> {
    this.#child.kill('SIGINT')
    return this.exited
  }

  async #firstLine(): Promise<string> {
    const line = once(createInterface({ input: this.#child.stdout! }), 'line').then(([text]) => text as string)
    const gone = this.exited.then((exit) => {
      throw new Error(`the platform ended (${exit.signal ?? exit.code}) before it listened:\n${this.said}`)
    })
    return Promise.race([line, gone])
  }
}
