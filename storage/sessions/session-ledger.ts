/**
 * Sessions of people who signed in: one small text each, so that they outlive a restart and are known to every serving process. A text holds
 * neither the token of its session nor the key: its name is a hash of the token, and its proof can only be compared by who has the token. Losing
 * these texts loses no data: people sign in again.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import pLimit from 'p-limit'
import type { NamedTexts } from '../texts/named-texts.ts'

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

/** what another process ended is noticed after this long, or after the pause between two looks */
const LOOK_AGAIN_MS_MIN = 2_000
/** a session that was known goes on for so long while the texts cannot be read */
const UNREADABLE_MS_MAX = 60_000
/** tokens that are looked up at a time, and that wait for it: whoever sends made-up ones takes no more. Those beyond it are unknown */
const LEARNED_AT_ONCE = 8
const LEARNING_MAX = 64
const READ_AT_ONCE = 16
const TOKEN = /^[\w-]{43}$/

interface Looked {
  /** null: there is none */
  readonly kept: Kept | null
  readonly atMs: number
  /** what is kept was read before, and could not be read again */
  readonly unreadableSinceMs?: number
}

export class SessionLedger {
  readonly #texts: NamedTexts
  readonly #limits: SessionLimits
  /** by name of the text */
  readonly #looked = new Map<string, Looked>()
  readonly #learning = pLimit(LEARNED_AT_ONCE)

  constructor(texts: NamedTexts, limits: Partial<SessionLimits> = {}) {
    this.#texts = texts
    this.#limits = { ...DEFAULT_SESSION_LIMITS, ...limits }
  }

  /** Opens a session. @returns its token, which only its owner gets to know */
  async begin(key: string, nowMs = Date.now()): Promise<{ readonly token: string; readonly untilMs: number }> {
    await this.#makeRoom(nowMs)
    const token = randomBytes(32).toString('base64url')
    const kept: Kept = { proof: proofOf(token, key), untilMs: nowMs + this.#limits.sessionMs }
    const name = nameOf(token)
    await this.#texts.replace(name, JSON.stringify(kept))
    this.#note(name, kept, nowMs)
    return { token, untilMs: kept.untilMs }
  }

  /** Gets to know the session of a token, unless it is known: `find` finds it then. Never throws. */
  async learn(token: string, nowMs = Date.now()): Promise<void> {
    if (!TOKEN.test(token) || this.#known(nameOf(token), nowMs) !== undefined) return
    if (this.#learning.pendingCount >= LEARNING_MAX) return
    await this.#learning(() => this.#look(nameOf(token), nowMs))
  }

  /** The open session of a token that was learned; null: there is none, it has ended, or its key is not one of these any more. */
  find(token: string, keys: readonly string[], nowMs = Date.now()): OpenSession | null {
    const kept = TOKEN.test(token) ? (this.#known(nameOf(token), nowMs) ?? null) : null
    if (kept === null || kept.untilMs <= nowMs) return null
    const key = keys.find((each) => isSame(proofOf(token, each), kept.proof))
    return key === undefined ? null : { key, untilMs: kept.untilMs }
  }

  async end(token: string): Promise<void> {
    const name = nameOf(token)
    this.#looked.delete(name)
    await this.#texts.remove(name)
  }

  /** undefined: it must be looked up */
  #known(name: string, nowMs: number): Kept | null | undefined {
    const looked = this.#looked.get(name)
    const lookAgainMs = Math.max(LOOK_AGAIN_MS_MIN, this.#texts.lookEveryMs)
    return looked !== undefined && Math.abs(nowMs - looked.atMs) < lookAgainMs ? looked.kept : undefined
  }

  async #look(name: string, nowMs: number): Promise<void> {
    try {
      this.#note(name, keptIn(await this.#texts.read(name)), nowMs)
    } catch {
      const before = this.#looked.get(name)
      if (before === undefined) return
      const sinceMs = before.unreadableSinceMs ?? before.atMs
      if (Math.abs(nowMs - sinceMs) >= UNREADABLE_MS_MAX) this.#looked.delete(name)
      else this.#looked.set(name, { ...before, atMs: nowMs, unreadableSinceMs: sinceMs })
    }
  }

  #note(name: string, kept: Kept | null, nowMs: number): void {
    if (this.#looked.size >= this.#limits.sessionsMax) this.#looked.clear()
    this.#looked.set(name, { kept, atMs: nowMs })
  }

  /** Removes what has ended, and beyond the limit what ends first. */
  async #makeRoom(nowMs: number): Promise<void> {
    const names = await this.#texts.names()
    const atOnce = pLimit(READ_AT_ONCE)
    const ends = await Promise.all(
      names.map((name) => atOnce(async () => ({ name, untilMs: keptIn(await this.#texts.read(name))?.untilMs ?? 0 }))),
    )
    const open = ends.filter(({ untilMs }) => untilMs > nowMs).sort((a, b) => a.untilMs - b.untilMs)
    const surplus = open.slice(0, Math.max(0, open.length - this.#limits.sessionsMax + 1))
    const gone = [...ends.filter(({ untilMs }) => untilMs <= nowMs), ...surplus]
    await Promise.all(gone.map(({ name }) => atOnce(() => this.#texts.remove(name))))
    for (const { name } of gone) this.#looked.delete(name)
  }
}

/** null: there is none, or it cannot be read */
function keptIn(text: string | null): Kept | null {
  try {
    return text === null ? null : (JSON.parse(text) as Kept)
  } catch {
    return null
  }
}

function nameOf(token: string): string {
  return `${createHash('sha256').update(token).digest('hex')}.json`
}

function proofOf(token: string, key: string): string {
  return createHmac('sha256', token).update(key).digest('hex')
}

function isSame(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
}
