/** Answers kept for being asked again, the least recently asked given up first: bounded in number and bytes. */
import type { SqlColumn } from '#core/compiled.ts'
import type { AnswerMeta } from '../answers/answer-meta.ts'
import type { Computed } from '../answers/answer-steps.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import type { LiveLimits } from './live-limits.ts'
import type { Moment } from './view-head.ts'

export interface KeptAnswer {
  readonly moment: Moment
  /** number of the window that the clock gave; null where it gives none */
  readonly window: number | null
  readonly snapshot: Snapshot
  readonly rowsJson: string
  readonly rowCount: number
  readonly columns: readonly SqlColumn[]
  readonly meta: AnswerMeta
  /** the members of `meta` that do not change with the clock, as JSON without the closing brace */
  readonly metaJson: string
  /** tells the rows and what they were made of from any others */
  readonly tag: string
  /** monotonic, ms */
  readonly doneAtMs: number
  readonly tookMs: number
  readonly computed?: Computed
}

export class AnswerCache {
  readonly #limits: Pick<LiveLimits, 'answersMax' | 'answersBytesMax'>
  readonly #answers = new Map<string, KeptAnswer>()
  #bytes = 0

  constructor(limits: Pick<LiveLimits, 'answersMax' | 'answersBytesMax'>) {
    this.#limits = limits
  }

  get(key: string): KeptAnswer | undefined {
    const answer = this.#answers.get(key)
    if (answer === undefined) return undefined
    this.#answers.delete(key)
    this.#answers.set(key, answer)
    return answer
  }

  keep(key: string, answer: KeptAnswer): void {
    this.#remove(key)
    this.#answers.set(key, answer)
    this.#bytes += sizeOf(key, answer)
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= this.#limits.answersMax && this.#bytes <= this.#limits.answersBytesMax) return
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    const answer = this.#answers.get(key)
    if (answer === undefined) return
    this.#answers.delete(key)
    this.#bytes -= sizeOf(key, answer)
  }
}

function sizeOf(key: string, { rowsJson, metaJson }: KeptAnswer): number {
  return 2 * (key.length + rowsJson.length + metaJson.length)
}
