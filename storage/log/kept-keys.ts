/** The keys of a window of time, in memory: they cost what is in the window, and no more than their limits. */
import type { OffsetRange } from '#core/offsets.ts'
import {
  type AppendOnce,
  assertSame,
  isExpired,
  type KeptAppend,
  type KeyLimits,
  rangesText,
  TooManyKeysError,
} from './append-once.ts'

/** of an entry, beside its texts */
const ENTRY_BYTES = 200

interface Entry extends KeptAppend {
  readonly bytes: number
}

export class KeptKeys {
  readonly #limits: KeyLimits
  readonly #clock: () => number
  /** oldest first */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /** @param clock epoch ms */
  constructor(limits: KeyLimits, clock: () => number) {
    this.#limits = limits
    this.#clock = clock
  }

  get size(): number {
    return this.#entries.size
  }

  /** Where the records of an earlier append under the key are; null if there was none. @throws KeyReusedError */
  find(once: AppendOnce): readonly OffsetRange[] | null {
    this.#expire()
    const kept = this.#entries.get(once.key)
    if (kept === undefined || isExpired(kept.atMs, this.#clock(), this.#limits)) return null
    assertSame(once, kept)
    return kept.ranges
  }

  /** @throws TooManyKeysError */
  assertRoom(): void {
    this.#expire()
    const { keysMax, bytesMax } = this.#limits
    if (this.#entries.size >= keysMax || this.#bytes >= bytesMax) throw new TooManyKeysError(this.#limits)
  }

  add(key: string, kept: KeptAppend): void {
    this.#remove(key)
    const bytes = ENTRY_BYTES + key.length + kept.fingerprint.length + rangesText(kept.ranges).length
    this.#entries.set(key, { ...kept, bytes })
    this.#bytes += bytes
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #expire(): void {
    const nowMs = this.#clock()
    for (const [key, { atMs }] of this.#entries) {
      if (!isExpired(atMs, nowMs, this.#limits)) return
      this.#remove(key)
    }
  }

  #remove(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0
    this.#entries.delete(key)
  }
}
