/**
 * A deterministic scheduler: actors pause at every step of every port; a seeded generator decides who goes on, and who
 * dies on the spot. A dead actor never goes on: like a killed process it cleans nothing up.
 */
import { setImmediate as settled } from 'node:timers/promises'
import type { Random } from '#datasets/random.ts'

interface Waiting {
  readonly actor: Actor
  readonly resume: () => void
}

export class Scheduler {
  readonly #random: Random
  /** an actor that does several things at once waits at several places */
  #waiting: Waiting[] = []
  readonly #failures: unknown[] = []
  #next = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** Starts an actor; its body gets the pause to await between two effects. */
  start(body: (pause: () => Promise<void>) => Promise<void>): Actor {
    const actor: Actor = { id: this.#next++, isDead: false }
    const pause = (): Promise<void> =>
      new Promise((resume) => {
        if (!actor.isDead) this.#waiting.push({ actor, resume })
      })
    pause()
      .then(() => body(pause))
      .catch((error: unknown) => this.#failures.push(error))
    return actor
  }

  /** Kills an actor between two steps. */
  kill(actor: Actor): void {
    actor.isDead = true
    this.#waiting = this.#waiting.filter((waiting) => waiting.actor !== actor)
  }

  /** Lets one waiting actor do its next step. @returns false when nobody waits. @throws what an actor threw */
  async turn(): Promise<boolean> {
    if (this.#waiting.length === 0) return false
    const [next] = this.#waiting.splice(this.#random.below(this.#waiting.length), 1)
    next!.resume()
    // Until everybody waits or has ended.
    await settled()
    if (this.#failures.length > 0) throw this.#failures[0]
    return true
  }
}

export interface Actor {
  readonly id: number
  isDead: boolean
}
