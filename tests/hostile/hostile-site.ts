/** A platform that is attacked with everything at once, from a process of its own, while an honest client sends its events. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Attacked } from './attacker-process.ts'
import { DATASET, DEFINITION, EVENT_MS } from './definition.ts'
import { MemoryGroup } from './memory-group.ts'

const ATTACKER = join(import.meta.dirname, 'attacker-process.ts')
const WATERSHED = join(import.meta.dirname, '../../watershed')
const LIMIT_MIB = 1_536
/** what the defaults are within that limit, for where none can be set */
const SMALL_SETTINGS = {
  WATERSHED_SERVE_MEMORY_MB: '256',
  WATERSHED_STREAM_MEMORY_MB: '256',
  WATERSHED_BATCH_MEMORY_MB: '256',
  WATERSHED_OPEN_BYTES_MAX: String(128 * 1024 * 1024),
}
const SAID_MAX = 60
const ROWS = 10
const PAUSE_MS = 50

export interface Posted {
  readonly status: number
  readonly text: string
  /** from the first try on */
  readonly tookMs: number
  readonly tries: number
}

/** What came of an attack. */
export interface Endured extends Attacked {
  readonly posts: readonly Posted[]
}

export class HostileSite {
  readonly #folder: string
  /** null: nothing limits its memory */
  readonly #group: MemoryGroup | null
  readonly #process: ChildProcess
  readonly #said: string[] = []
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #address = ''
  #sent = 0

  /** With its defaults and within a limit of 1.5 GiB, where this machine lets one be set; else with the settings for one. */
  static async start(): Promise<HostileSite> {
    const site = new HostileSite(MemoryGroup.make(LIMIT_MIB))
    const [line] = (await once(createInterface(site.#process.stdout!), 'line')) as [string]
    site.#address = (JSON.parse(line) as { url: string }).url
    return site
  }

  private constructor(group: MemoryGroup | null) {
    this.#group = group
    this.#folder = mkdtempSync(join(tmpdir(), 'watershed-hostile-'))
    const definition = join(this.#folder, `${DATASET}.ts`)
    writeFileSync(definition, DEFINITION)
    const words = ['start', '--json', '--port', '0', '--data', join(this.#folder, 'data'), '--dataset', definition]
    const [command, within] = group?.within(WATERSHED, words) ?? [WATERSHED, words]
    const env = { ...process.env, ...(group === null ? SMALL_SETTINGS : {}) }
    this.#process = spawn(command, within, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface(this.#process.stderr!).on('line', (line) => {
      this.#said.push(line)
      if (this.#said.length > SAID_MAX) this.#said.shift()
    })
  }

  get said(): string {
    return this.#said.join('\n')
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Attacks until the honest client has made so many posts, and the platform has answered several kinds of attacks. */
  async endure(posts: number): Promise<Endured> {
    // Its connection is open before others take all that are left.
    await this.get('/livez')
    const attacker = fork(ATTACKER, [this.#address, String(this.#process.pid)])
    try {
      const made: Posted[] = []
      let isAnswered = false
      attacker.on('message', (said) => {
        isAnswered ||= said === 'answered'
      })
      while (made.length < posts || !isAnswered) {
        made.push(await this.#post())
        await sleep(PAUSE_MS)
      }
      const ended = once(attacker, 'exit')
      const last = new Promise<Attacked>((resolve) => {
        attacker.on('message', (said) => {
          if (said !== 'answered') resolve(said as Attacked)
        })
      })
      attacker.send('stop')
      const attacked = await Promise.race([last, ended.then(() => Promise.reject(new Error('the attacker ended')))])
      return { posts: made, ...attacked }
    } finally {
      attacker.kill()
    }
  }

  /** Events of the honest client that were taken. */
  get acknowledged(): number {
    return this.#sent
  }

  /** As answered over its own connection. */
  async get(path: string): Promise<{ status: number; text: string }> {
    return this.#ask('GET', path)
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    if (this.alive) {
      this.#process.kill('SIGINT')
      await once(this.#process, 'exit')
    }
    this.#group?.remove()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Memory that its control group had at most, MiB; null: it has none. */
  get peakMib(): number | null {
    return this.#group?.peakMib ?? null
  }

  /** Tries again as long as it is told to come later. */
  async #post(): Promise<Posted> {
    const rows = Array.from({ length: ROWS }, (_, row) => ({ id: this.#sent + row, at: EVENT_MS, who: 'honest' }))
    const body = rows.map((row) => JSON.stringify(row)).join('\n')
    const beganMs = performance.now()
    for (let tries = 1; ; tries++) {
      const { status, text } = await this.#ask('POST', `/v1/datasets/${DATASET}/events`, body)
      if (status === 202) this.#sent += ROWS
      if (status !== 429) return { status, text, tries, tookMs: performance.now() - beganMs }
      await sleep(PAUSE_MS)
    }
  }

  #ask(method: string, path: string, body?: string): Promise<{ status: number; text: string }> {
    const headers = body === undefined ? {} : { 'content-type': 'application/x-ndjson' }
    return new Promise((resolve, reject) => {
      const sent = request(`${this.#address}${path}`, { method, headers, agent: this.#agent }, (reply) => {
        text(reply).then((body) => resolve({ status: reply.statusCode!, text: body }), reject)
      })
      sent.on('error', reject)
      sent.end(body)
    })
  }
}
