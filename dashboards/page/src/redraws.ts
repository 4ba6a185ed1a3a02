/**
 * When changes are drawn: all that came in the meantime together, and the more seldom the longer drawing takes, so that an open page leaves
 * its reader's machine alone.
 */
import { afterPaint } from './after-paint.ts'

const PAUSE_MS_MIN = 1_000
const PAUSE_MS_MAX = 10_000
/** of the time, at most one part in so many is spent on drawing */
const PAUSE_PER_DRAWING = 20
/** the answers of a page come one after the other */
const GATHER_MS = 30

export class Redraws {
  readonly #due = new Set<() => void>()
  #isPlanned = false
  #notBeforeMs = 0

  /** @param redraw called once, however often it is asked for before */
  soon(redraw: () => void): void {
    this.#due.add(redraw)
    if (this.#isPlanned) return
    this.#isPlanned = true
    setTimeout(() => this.#run(), Math.max(GATHER_MS, this.#notBeforeMs - performance.now()))
  }

  #run(): void {
    const due = [...this.#due]
    this.#due.clear()
    this.#isPlanned = false
    const began = performance.now()
    this.#notBeforeMs = began + PAUSE_MS_MIN
    for (const redraw of due) redraw()
    void afterPaint().then(() => {
      const now = performance.now()
      const pauseMs = Math.max(PAUSE_MS_MIN, (now - began) * PAUSE_PER_DRAWING)
      this.#notBeforeMs = now + Math.min(PAUSE_MS_MAX, pauseMs)
    })
  }
}
