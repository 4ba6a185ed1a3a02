/** Long work in pieces: what came in meanwhile is done between them. */
import { setImmediate as turn } from 'node:timers/promises'

/** of one piece */
const TURN_MS = 4

export class Turns {
  #beganMs = performance.now()

  /** Whether the piece is over. */
  get isOver(): boolean {
    return performance.now() - this.#beganMs >= TURN_MS
  }

  /** Ends the piece, and begins the next one after what came in. */
  async next(): Promise<void> {
    await turn()
    this.#beganMs = performance.now()
  }

  /** `next` where the piece is over. */
  async pause(): Promise<void> {
    if (this.isOver) await this.next()
  }
}
