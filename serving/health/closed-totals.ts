/** What closed segments have, by the generation and the segments behind it: nothing that a generation counts is looked at again. */
import { sumByColumn } from '#core/conversion-failures.ts'
import { type SegmentManifest, unconvertedOf } from '#storage/lake/segment-manifest.ts'
import { type HealthFacts, known } from './health-facts.ts'

export interface ClosedTotals {
  readonly rows: number
  readonly deadLetters: number
  /** column → events in which its value could not be converted */
  readonly unconverted: Readonly<Record<string, number>>
}

export function closedTotals(facts: Pick<HealthFacts, 'generation' | 'chains'>): ClosedTotals {
  const generation = known(facts.generation)
  // A chain may have some of the segments that the generation counts.
  const newer = (known(facts.chains) ?? []).flatMap(({ partition, segments }) =>
    segments.filter(({ start }) => start >= (generation?.boundary[partition] ?? 0)),
  )
  const sum = (of: (segment: SegmentManifest) => number): number =>
    newer.reduce((total, segment) => total + of(segment), 0)
  return {
    rows: (generation?.rows ?? 0) + sum(({ rows }) => rows),
    deadLetters: (generation?.deadLetters ?? 0) + sum(({ deadLetters }) => deadLetters),
    unconverted: sumByColumn([generation?.unconverted ?? {}, unconvertedOf(newer).unconverted ?? {}]),
  }
}
