/** What `watershed query --explain` says: how the answer came about, for people. */
import { type ExplainedAnswer, type Explanation, explanationOf } from '#serving/answers/explanation.ts'
import type { Answer } from '#serving/answers/merged-view.ts'
import type { Snapshot } from '#serving/answers/snapshot.ts'
import { say } from './output.ts'

export interface TimedAnswer extends Answer {
  readonly stored: ExplainedAnswer['stored']
  readonly tookMs: number
}

export function explainedAs({ meta, stored, tookMs }: TimedAnswer, snapshot: Snapshot): Explanation {
  const steps = [{ step: 'snapshot, merge, present and rank', ms: tookMs }]
  return explanationOf({ source: 'computed', snapshot, meta, stored, steps }, Date.now())
}

export function sayExplanation({ layers: { batch, closed, open }, steps, advice }: Explanation): void {
  const generation =
    batch === null
      ? 'none yet'
      : `${batch.generation} (${batch.mode}), ${Math.floor(batch.ageMs / 60_000)} min old; ${batch.files} files, ${batch.bytes} bytes`
  say(`batch   ${generation}`)
  say(`closed  ${closed.segments} segments behind the boundary with ${closed.rows} events, ${closed.bytes} bytes`)
  say(`open    ${open.rows} events in ${open.partitions} partitions`)
  for (const { step, ms } of steps) say(`${ms.toFixed(1)} ms  ${step}`)
  for (const text of advice) say(`advice: ${text}`)
}
