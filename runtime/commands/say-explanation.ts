/** What `watershed query --explain` says: how the answer came about, for people. */

import type { AnswerStep } from '#serving/answers/answer-steps.ts'
import { type ExplainedAnswer, type Explanation, explanationOf } from '#serving/answers/explanation.ts'
import type { Answer } from '#serving/answers/merged-view.ts'
import type { Snapshot } from '#serving/answers/snapshot.ts'
import { say } from './output.ts'

export interface TimedAnswer extends Answer {
  readonly stored: ExplainedAnswer['stored']
  readonly tookMs: number
  /** null: it was not asked for */
  readonly engine: readonly AnswerStep[] | null
}

export function explainedAs(answer: TimedAnswer, snapshot: Snapshot): Explanation {
  const { meta, stored, tookMs, engine } = answer
  const { way, steps: own } = answer.computed ?? { way: 'stores', steps: [] }
  const steps = [...own, { step: 'answer', ms: tookMs }]
  return explanationOf({ source: 'computed', way, snapshot, meta, stored, steps, engine }, Date.now())
}

export function sayExplanation({ layers: { batch, closed, open }, steps, engine, advice }: Explanation): void {
  const generation =
    batch === null
      ? 'none yet'
      : `${batch.generation} (${batch.mode}), ${Math.floor(batch.ageMs / 60_000)} min old; ${batch.files} files, ${batch.bytes} bytes`
  say(`batch   ${generation}`)
  say(`closed  ${closed.segments} segments behind the boundary with ${closed.rows} events, ${closed.bytes} bytes`)
  const read = open.speedRows === null ? '' : `, ${open.speedRows} rows of states from the speed store`
  say(`open    ${open.rows} events in ${open.partitions} partitions${read}`)
  for (const { step, ms } of steps) say(`${ms.toFixed(1)} ms  ${step}`)
  for (const { step, ms } of engine ?? []) say(`${ms.toFixed(1)} ms  of the processors for: ${step}`)
  for (const text of advice) say(`advice: ${text}`)
}
