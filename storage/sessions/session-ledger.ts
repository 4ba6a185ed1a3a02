/**
 * Sessions of people who signed in, in the data folder: one small file each, so that they outlive a restart and are known to every serving
 * process. A file holds neither the token of its session nor the key: its name is a hash of the token, and its proof can only be compared by
 * who has the token. Losing these files loses no data: people sign in again.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface SessionLimits {
  /** open at the same time; beyond it the one that ends first is ended */
  readonly sessionsMax: number
  /** how long a session lasts, ms */
  readonly sessionMs: number
}

export const DEFAULT_SESSION_LIMITS: SessionLimits = { sessionsMax: 1_000, sessionMs: 12 * 3_600_000 }

/** A session that is open. */
export interface OpenSession {
  /** the key that its owner signed in with */
  readonly key: string
  readonly untilMs: number
}

interface Kept {
  readonly proof: string
  readonly untilMs: number
}

/** what another process ended is noticed after this long */
const LOOK_AGAIN_MS = 2_000
const TOKEN = /^[\w-]{43}$/

export class SessionLedger {
  readonly #folder: string
  readonly #limits: SessionLimits
  /** by name of the file */
  readonly #looked = new Map<string, { readonly kept: Kept; readonly atMs: number }>()

  constructor(folder: string, limits: Partial<SessionLimits> = {}) {
    this.#folder = folder
    this.#limits = { ...DEFAULT_SESSION_LIMITS, ...limits }
  }

  /** Opens a session. @returns its token, which only its owner gets to know */
  async begin(key: string, nowMs = Date.now()): Promise<{ readonly token: string; readonly untilMs: number }> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    await this.#makeRoom(nowMs)
    const token = randomBytes(32).toString('base64url')
    const kept: Kept = { proof: proofOf(token, key), untilMs: nowMs + this.#limits.sessionMs }
    const draft = join(this.#folder, `${randomBytes(6).toString('hex')}.inprogress`)
    await writeFile(draft, JSON.stringify(kept), { mode: 0o600 })
    await rename(draft, join(this.#folder, nameOf(token)))
    return { token, untilMs: kept.untilMs }
  }

  /** The open session of a token; null: there is none, it has ended, or its key is not one of these any more. */
  find(token: string, keys: readonly string[], nowMs = Date.now()): OpenSession | null {
    const kept = TOKEN.test(token) ? this.#look(nameOf(token), nowMs) : null
    if (kept === null || kept.untilMs <= nowMs) return null
    const key = keys.find((each) => isSame(proofOf(token, each), kept.proof))
    return key === undefined ? null : { key, untilMs: kept.untilMs }
  }

  async end(token: string): Promise<void> {
    const name = nameOf(token)
    this.#looked.delete(name)
    await rm(join(this.#folder, name), { force: true })
  }

  #look(name: string, nowMs: number): Kept | null {
    const before = this.#looked.get(name)
    if (before !== undefined && Math.abs(nowMs - before.atMs) < LOOK_AGAIN_MS) return before.kept
    this.#looked.delete(name)
    try {
      const kept = JSON.parse(readFileSync(join(this.#folder, name), 'utf8')) as Kept
      if (this.#looked.size >= this.#limits.sessionsMax) this.#looked.clear()
      this.#looked.set(name, { kept, atMs: nowMs })
      return kept
    } catch {
      return null
    }
  }

  /** Removes what has ended, and beyond the limit what ends first. */
  async #makeRoom(nowMs: number): Promise<void> {
    const names = await readdir(this.#folder)
    const ends = await Promise.all(names.map(async (name) => ({ name, untilMs: await this.#endOf(name) })))
    const open = ends.filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => a.untilMs - b.untilMs)
    const surplus = open.slice(0, Math.max(0, open.length - this.#limits.sessionsMax + 1))
    const gone = [...ends.filter(({ untilMs }) => untilMs <= nowMs), ...surplus]
    await Promise.all(gone.map(({ name }) => rm(join(this.#folder, name), { force: true })))
    for (const { name } of gone) this.#looked.delete(name)
  }

  /** 0: it cannot be read */
  async #endOf(name: string): Promise<number> {
    const text = await readFile(join(this.#folder, name), 'utf8').catch(() => '')
    try {
      return (JSON.parse(text) as Kept).untilMs
    } catch {
      return 0
    }
  }
}

function nameOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

function proofOf(token: string, key: string): string {
  return createHmac('sha256', token).update(key).digest('hex')
}

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
