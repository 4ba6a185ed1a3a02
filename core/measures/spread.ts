import type { MeasureInput, MeasureSql } from './measure-sql.ts'
import { finiteOnce, MOMENT_MEASURE, moments, RECOUNT_MAX } from './moments.ts'
import { boundedVariance } from './recounted-moments.ts'

export type SpreadKind = 'varSamp' | 'varPop' | 'stddevSamp' | 'stddevPop'

/**
 * Variance and standard deviation, of a sample (NULL for fewer than two values) or of all (NULL for none). Counts and sums of products add
 * up: associative and commutative, with the zero (0, 0, NULL, NULL); extremes do not come back, so it has no inverse.
 */
export function spreadSql(kind: SpreadKind, { x, s }: MeasureInput): MeasureSql {
  const { steps, state, partial, merge, n, central } = moments({ x }, ['xx'], s)
  const isSample = kind.endsWith('Samp')
  const variance = `(${central('xx')}) / nullif(${n}${isSample ? ' - 1' : ''}, 0)`
  const isRoot = kind.startsWith('stddev')
  const recounted = boundedVariance(`${x}::DOUBLE`, isSample ? 'samp' : 'pop', RECOUNT_MAX)
  return {
    ...MOMENT_MEASURE,
    state,
    steps,
    partial,
    merge,
    present: finiteOnce(isRoot ? `sqrt(${variance})` : `(${variance})`),
    recount: isRoot ? `sqrt(${recounted.value})` : recounted.value,
    within: isRoot ? rootWithin(recounted.value, recounted.within) : recounted.within,
  }
}

/** |√a - √b| is at most |a - b| / √b, and at most √|a - b|. */
function rootWithin(variance: string, within: string): string {
  return `least(sqrt(${within}), coalesce(${within} / nullif(sqrt(${variance}), 0), 'inf'::DOUBLE))`
}
