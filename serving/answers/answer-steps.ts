/** How long the steps of an answer took, for those who ask. */

export interface AnswerStep {
  readonly step: string
  readonly ms: number
}

/**
 * Where the rows of an answer came from: merged by the engine from resident states, added up from numbers kept beside them, merged from a
 * look at the stores, by the view's earlier definition, read from an answer that is kept for its pages, or written as an export.
 */
export const ANSWER_WAYS = ['resident', 'tally', 'stores', 'earlier-definition', 'page', 'export'] as const
export type AnswerWay = (typeof ANSWER_WAYS)[number]

/** What an answer knows of how it was computed. */
export interface Computed {
  readonly way: AnswerWay
  readonly steps: readonly AnswerStep[]
}

export class StepClock {
  readonly steps: AnswerStep[] = []
  #sinceMs = performance.now()

  /** The step that began when the one before it ended is over. */
  over(step: string): void {
    const nowMs = performance.now()
    this.steps.push({ step, ms: nowMs - this.#sinceMs })
    this.#sinceMs = nowMs
  }
}
