/** How often an address may give a wrong key: guessing is slow, and what is remembered is bounded. */

/** wrong keys of one address within ATTEMPTS_OVER_MS; beyond it no key is looked at */
export const FAILED_SIGN_INS_MAX = 10
export const ATTEMPTS_OVER_MS = 60_000
/** addresses that are remembered */
const ADDRESSES_MAX = 10_000

export class FailedAttempts {
  readonly #times = new Map<string, readonly number[]>()

  /** How long the address must wait, ms; 0: it may try. @param nowMs monotonic */
  waitMs(address: string, nowMs: number): number {
    const recent = this.#recent(address, nowMs)
    return recent.length < FAILED_SIGN_INS_MAX ? 0 : recent[0]! + ATTEMPTS_OVER_MS - nowMs
  }

  failed(address: string, nowMs: number): void {
    const recent = [...this.#recent(address, nowMs), nowMs].slice(-FAILED_SIGN_INS_MAX)
    this.#times.delete(address)
    if (this.#times.size >= ADDRESSES_MAX) this.#times.delete(this.#times.keys().next().value!)
    this.#times.set(address, recent)
  }

  #recent(address: string, nowMs: number): readonly number[] {
    return (this.#times.get(address) ?? []).filter((atMs) => nowMs - atMs < ATTEMPTS_OVER_MS)
  }
}
