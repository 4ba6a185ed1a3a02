/** Bounds the memory of rows that are made from bodies, which no limit of bodies counts: few bodies at a time have such rows, others wait. */
import type { BodyFormat } from '#core/body-format.ts'

export class BuildTurns {
  readonly #max: number
  #running = 0
  readonly #waiting: (() => void)[] = []

  /** @param max bodies whose rows exist at a time: while those of one are appended, those of another are made */
  constructor(max = 2) {
    this.#max = max
  }

  /** Runs `work` at its turn, or at once if the rows of the format are ranges of the body itself. @throws what `work` throws */
  async during<Result>(format: BodyFormat, work: () => Promise<Result>): Promise<Result> {
    if (!isBuilt(format)) return work()
    if (this.#running < this.#max) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      // The turn passes to the next one, so that nobody can take it in between.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }
}

function isBuilt(format: BodyFormat): boolean {
  return format === 'arrow' || typeof format === 'object'
}
