/** Splits long work on the main thread into slices, so that requests are handled between them. */
import { setImmediate as turn } from 'node:timers/promises'

const SLICE_MS = 4

export class TimeSlices {
  #beganMs = performance.now()

  /** Whether the current slice is used up. */
  get isOver(): boolean {
    return performance.now() - this.#beganMs >= SLICE_MS
  }

  /** Handles pending requests, then begins a new slice. */
  async next(): Promise<void> {
    await turn()
    this.#beganMs = performance.now()
  }

  /** Calls `next` if the current slice is used up. */
  async pause(): Promise<void> {
    if (this.isOver) await this.next()
  }
}
