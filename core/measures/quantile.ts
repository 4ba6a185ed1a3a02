import type { MeasureInput, MeasureSql } from './measure-sql.ts'

/** Ratio of neighbouring quantile buckets: the middle of a bucket is within (g - 1) / (g + 1) = 0.99 % of each of its values. Masson et al., DDSketch, 2019. */
const QUANTILE_GAMMA = 1.02
const ZERO_SHIFT = 50_000

/**
 * The value below which a share of the values lies, NULL where there were none. The counts of equal buckets add up:
 * associative and commutative, with the zero []; so they also subtract, where a bucket of 0 is left out.
 */
export function quantileSql({ definition, x, s }: MeasureInput): MeasureSql {
  const q = s('q')
  const value = `(${x})::DOUBLE`
  const index = `ceil(ln(abs(${value})) / ln(${QUANTILE_GAMMA}))::INTEGER`
  const rank = `floor(${definition.q} * (list_sum(list_transform(${q}, lambda _e: _e.n)) - 1))::BIGINT`
  // Goes along the buckets until the rank is used up: one step per bucket.
  const found = `list_reduce(list_prepend(struct_pack(b := NULL::INTEGER, n := ${rank}), ${q}), lambda _a, _e: CASE WHEN _a.n < 0 THEN _a ELSE struct_pack(b := _e.b, n := _a.n - _e.n) END).b`
  const middle = (b: string): string =>
    `CASE WHEN ${b} = 0 THEN 0 ELSE sign(${b}) * 2 * pow(${QUANTILE_GAMMA}, abs(${b}) - ${ZERO_SHIFT}) / ${QUANTILE_GAMMA + 1} END`
  return {
    state: [{ name: q, type: 'STRUCT(b INTEGER, n BIGINT)[]' }],
    type: 'DOUBLE',
    exactness: { kind: 'bounded', relativeError: 0.01 },
    invertible: 'yes',
    partial: null,
    merge: null,
    list: {
      element: `CASE WHEN ${value} = 0 THEN 0 ELSE (sign(${value}) * (${index} + ${ZERO_SHIFT}))::INTEGER END`,
      kind: 'counted',
      keep: null,
    },
    present: `list_transform([${found}], lambda _b: ${middle('_b')})[1]::DOUBLE`,
    estimated: null,
    recount: `list_sort(list(${value}) FILTER (WHERE ${x} IS NOT NULL))[floor(${definition.q} * (count(${x}) - 1))::BIGINT + 1]`,
  }
}
