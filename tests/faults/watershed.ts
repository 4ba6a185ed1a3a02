/** The real command line and a real running platform, for tests that break what they stand on. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { AnswerMeta } from '#serving/answers/answer-meta.ts'
import { PlatformProcess, type PlatformProcessOptions } from '#tests/crash/platform-process.ts'

const MAIN = fileURLToPath(new URL('../../runtime/main.ts', import.meta.url))

/** Everything happens often. */
const OFTEN = {
  WATERSHED_PARTITIONS: '2',
  WATERSHED_FLUSH_EVERY_MS: '50',
  WATERSHED_SEGMENT_AGE_MS_MAX: '300',
  WATERSHED_BATCH_INCREMENTAL_CRON: '* * * * * *',
  WATERSHED_VERIFY_AFTER_FULL: 'false',
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end. */
export async function watershed(words: readonly string[], data: string): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { ...process.env, ...OFTEN, WATERSHED_DATA: data },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { code: code as number | null, stdout, stderr }
}

export interface Reply {
  readonly status: number
  readonly body: string
}

export interface Answer {
  readonly data: readonly Readonly<Record<string, unknown>>[]
  readonly meta: AnswerMeta
}

/** A running `watershed start`. */
export class RunningPlatform {
  readonly #process: PlatformProcess
  readonly #address: string

  static async start(
    data: string,
    words: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<RunningPlatform> {
    return RunningPlatform.#run({ arguments: ['--no-demo', ...words] }, data, environment)
  }

  /** A running `watershed serve`. */
  static async serve(
    data: string,
    words: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<RunningPlatform> {
    return RunningPlatform.#run({ command: 'serve', arguments: words }, data, environment)
  }

  static async #run(
    { arguments: words, ...command }: Pick<PlatformProcessOptions, 'command' | 'arguments'>,
    data: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<RunningPlatform> {
    const process = new PlatformProcess({
      ...command,
      arguments: ['--port', '0', ...words],
      environment: { ...OFTEN, WATERSHED_DATA: data, ...environment },
    })
    return new RunningPlatform(process, await process.address)
  }

  private constructor(process: PlatformProcess, address: string) {
    this.#process = process
    this.#address = address
  }

  /** the last lines that it wrote to stderr */
  get said(): string {
    return this.#process.said
  }

  async get(path: string, options: RequestInit = {}): Promise<Reply & { readonly cookie: string }> {
    const reply = await fetch(`${this.#address}${path}`, options)
    return { status: reply.status, body: await reply.text(), cookie: reply.headers.get('set-cookie') ?? '' }
  }

  /** that it listens on */
  get port(): string {
    return new URL(this.#address).port
  }

  /** @throws when the answer is an error */
  async answer(path: string): Promise<Answer> {
    const { status, body } = await this.get(path)
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`)
    return JSON.parse(body) as Answer
  }

  async post(
    dataset: string,
    lines: readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const reply = await fetch(`${this.#address}/v1/datasets/${dataset}/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson', ...headers },
      body: lines.join('\n'),
    })
    return { status: reply.status, body: await reply.text() }
  }

  /** Resolves when it ended by itself, or was killed. */
  get ended(): Promise<unknown> {
    return this.#process.exited
  }

  /** As `kill -9`; resolves when it has ended. */
  async kill(): Promise<void> {
    await this.#process.kill()
  }

  /** Stops it as Ctrl-C does; @returns its exit code */
  async stop(): Promise<number | null> {
    return (await this.#process.stop()).code
  }
}
