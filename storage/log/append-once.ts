/** Appends under a key: repeated within a limited time, they are in the log once. */
import type { OffsetRange } from '#core/offsets.ts'

/** What makes a repeated append count once. */
export interface AppendOnce {
  /** chosen by the client, for this append only */
  readonly key: string
  /** of what is appended: an append under the same key with another one is refused */
  readonly fingerprint: string
}

export interface AppendedOnce {
  /** where the records are: of a repeat, those of the first append */
  readonly ranges: readonly OffsetRange[]
  /** nothing was appended now */
  readonly repeated: boolean
}

/** Bounds of the keys that a log remembers. */
export interface KeyLimits {
  /** how long a key is remembered after its append */
  readonly keepMs: number
  /** keys that are remembered at a time; beyond it, further ones are refused */
  readonly keysMax: number
  /** bytes of these keys with their ranges; beyond it, further ones are refused */
  readonly bytesMax: number
}

export const DEFAULT_KEY_LIMITS: KeyLimits = { keepMs: 3_600_000, keysMax: 100_000, bytesMax: 64 * 1024 * 1024 }

/** What is remembered of an append. */
export interface KeptAppend {
  readonly fingerprint: string
  readonly ranges: readonly OffsetRange[]
  /** epoch ms */
  readonly atMs: number
}

/** Another append was made under this key. */
export class KeyReusedError extends Error {
  constructor(key: string) {
    super(
      `the key '${key}' was used for other events before; repeat them unchanged, or use a new key (each key is for one request)`,
    )
    this.name = 'KeyReusedError'
  }
}

/** No further key can be remembered before older ones expire. */
export class TooManyKeysError extends Error {
  constructor({ keysMax, bytesMax, keepMs }: KeyLimits) {
    super(
      `the keys of the last idempotencyKeepMs = ${keepMs} ms reach their limit (idempotencyKeysMax = ${keysMax} keys, ${bytesMax} bytes), so nothing was taken; retry later, send more events under each key, or raise the limit`,
    )
    this.name = 'TooManyKeysError'
  }
}

/** @throws KeyReusedError */
export function assertSame(once: AppendOnce, kept: Pick<KeptAppend, 'fingerprint'>): void {
  if (kept.fingerprint !== once.fingerprint) throw new KeyReusedError(once.key)
}

/** Also a time in the future expires: the clock that it is of was ahead. */
export function isExpired(atMs: number, nowMs: number, { keepMs }: KeyLimits): boolean {
  return Math.abs(nowMs - atMs) >= keepMs
}

/** Ranges as short JSON text. */
export function rangesText(ranges: readonly OffsetRange[]): string {
  return JSON.stringify(ranges.map(({ partition, start, end }) => [partition, start, end]))
}

export function rangesOf(text: string): OffsetRange[] {
  const ranges = JSON.parse(text) as readonly (readonly [number, number, number])[]
  return ranges.map(([partition, start, end]) => ({ partition, start, end }))
}
