/** What a measure shows where there are no events. */
import type { CompiledMeasure } from '#core/compiled.ts'
import type { SeriesFill } from '#core/definition-parts.ts'
import type { Fill } from '#core/query.ts'

const COUNTED: readonly CompiledMeasure['kind'][] = ['count', 'sum', 'countDistinct']

/** Nothing was counted or added up: 0. There is no mean, extreme or quantile of nothing: null. */
export function ofNoEvents({ kind }: Pick<CompiledMeasure, 'kind'>): 0 | null {
  return COUNTED.includes(kind) ? 0 : null
}

/** What a bucket without events shows of the measure. */
export function fillOf(fill: Fill, measure: Pick<CompiledMeasure, 'kind'>): SeriesFill {
  if (fill === 'zero') return ofNoEvents(measure)
  return fill === 'null' ? null : 'previous'
}
