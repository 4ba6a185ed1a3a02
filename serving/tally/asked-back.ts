/** How far back from now questions begin, of those of the last minute or two. */

const KEPT_MS = 60_000

export class AskedBack {
  #sinceMs = Number.NEGATIVE_INFINITY
  /** the farthest of this minute, and of the one before */
  #backMs: readonly [now: number, before: number] = [0, 0]

  /** @param fromMs where a question's range begins, epoch ms */
  note(fromMs: number, nowMs: number): void {
    const [now, before] = this.#at(nowMs)
    this.#backMs = [Math.max(now, nowMs - fromMs), before]
  }

  /** Where the earliest of them would begin now, epoch ms. */
  sinceMs(nowMs: number): number {
    return nowMs - Math.max(...this.#at(nowMs))
  }

  #at(nowMs: number): readonly [number, number] {
    const passedMs = nowMs - this.#sinceMs
    if (passedMs >= KEPT_MS) {
      this.#backMs = [0, passedMs < 2 * KEPT_MS ? this.#backMs[0] : 0]
      this.#sinceMs = nowMs
    }
    return this.#backMs
  }
}
