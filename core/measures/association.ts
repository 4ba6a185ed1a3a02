import type { MeasureInput, MeasureSql } from './measure-sql.ts'
import { finiteOnce, MOMENT_MEASURE, moments, type Pair, RECOUNT_MAX } from './moments.ts'
import { boundedPairs } from './recounted-moments.ts'

export type AssociationKind = 'covarSamp' | 'covarPop' | 'corr' | 'regrSlope'

/** The sums of products that are kept; x is the independent value. */
export const ASSOCIATION_PAIRS: Readonly<Record<AssociationKind, readonly Pair[]>> = {
  covarSamp: ['xy'],
  covarPop: ['xy'],
  corr: ['xx', 'yy', 'xy'],
  regrSlope: ['xx', 'xy'],
}

/**
 * Covariance, correlation and slope of two numbers, the dependent one first, over rows that have both. Counts and sums of products add up:
 * associative and commutative, with the zero (0, 0, NULL, …); extremes do not come back, so they have no inverse.
 */
export function associationSql(kind: AssociationKind, { x: dependent, y: independent, s }: MeasureInput): MeasureSql {
  const [x, y] = [`${independent}::DOUBLE`, `${dependent}::DOUBLE`]
  const { steps, state, partial, merge, n, central } = moments(
    { x: independent, y: dependent },
    ASSOCIATION_PAIRS[kind],
    s,
  )
  const value = {
    covarSamp: () => `(${central('xy')}) / nullif(${n} - 1, 0)`,
    covarPop: () => `(${central('xy')}) / nullif(${n}, 0)`,
    corr: () => {
      const spreads =
        'CASE WHEN isfinite(_m.x * _m.y) AND _m.x * _m.y > 1e-280 THEN sqrt(_m.x * _m.y) ELSE sqrt(_m.x) * sqrt(_m.y) END'
      const parts = `struct_pack(x := ${central('xx')}, y := ${central('yy')}, xy := ${central('xy')})`
      const quotient = `list_transform([${parts}], lambda _m: _m.xy / nullif(${spreads}, 0))[1]`
      // Rounding may pass 1. NULL stays NULL, which greatest() would not leave.
      return `CASE WHEN ${n} > 0 THEN list_transform([${quotient}], lambda _c: CASE WHEN _c > 1 THEN 1 WHEN _c < -1 THEN -1 ELSE _c END)[1] END`
    },
    regrSlope: () => `CASE WHEN ${n} > 0 THEN (${central('xy')}) / nullif(${central('xx')}, 0) END`,
  }[kind]()
  const { recount, within } = boundedPairs(kind, y, x, RECOUNT_MAX)
  return {
    ...MOMENT_MEASURE,
    state,
    steps,
    partial,
    merge,
    present: finiteOnce(`(${value})`),
    recount,
    within,
  }
}
