/**
 * A deterministic scheduler: actors pause at every step of every port; a seeded generator decides who goes on, and who
 * dies on the spot. A dead actor never goes on: like a killed process it cleans nothing up.
 */
import type { Random } from '#datasets/random.ts'

/** microtasks that one turn may take before the actor is taken to be stuck */
const TURN_MAX = 10_000

export class Scheduler {
  readonly #random: Random
  readonly #waiting = new Map<number, () => void>()
  readonly #failures: unknown[] = []
  #running = 0
  #next = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Starts an actor; its body gets the pause to await between two effects. */
  start(body: (pause: () => Promise<void>) => Promise<void>): Actor {
    const id = this.#next++
    const actor: Actor = { id, done: false }
    const pause = (): Promise<void> =>
      new Promise((resolve) => {
        this.#waiting.set(id, resolve)
        this.#running--
      })
    this.#running++
    pause()
      .then(() => body(pause))
      .catch((error: unknown) => this.#failures.push(error))
      .finally(() => {
        actor.done = true
        this.#running--
      })
    return actor
  }

  /** Kills an actor between two steps. */
  kill(actor: Actor): void {
    this.#waiting.delete(actor.id)
  }

  /** Lets one waiting actor do its next step. @returns false when nobody waits. @throws what an actor threw */
  async turn(): Promise<boolean> {
    await this.#settle()
    const ids = [...this.#waiting.keys()]
    if (ids.length === 0) return false
    const id = this.#random.pick(ids)
    const resume = this.#waiting.get(id)!
    this.#waiting.delete(id)
    this.#running++
    resume()
    await this.#settle()
    return true
  }

  async #settle(): Promise<void> {
    for (let i = 0; this.#running > 0; i++) {
      if (i > TURN_MAX) throw new Error('an actor neither pauses nor ends')
      await Promise.resolve()
    }
    if (this.#failures.length > 0) throw this.#failures[0]
  }
}

export interface Actor {
  readonly id: number
  done: boolean
}
