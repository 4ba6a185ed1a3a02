import type { MeasureInput, MeasureSql } from './measure-sql.ts'
import { isWhole } from './number-types.ts'

/** Ratio of neighbouring quantile buckets: the middle of a bucket is within (g - 1) / (g + 1) = 0.99 % of each of its values. Masson et al., DDSketch, 2019. */
export const QUANTILE_GAMMA = 1.02
export const ZERO_SHIFT = 50_000
/** A bucket whose middle is smaller is narrower than 1: it can hold one whole number only. */
const ONE_WHOLE_BELOW = 50

/**
 * The value at rank ceil(q * n) in ascending order, NULL where there were none. Counts of values and of equal buckets add up, and of two
 * extremes the outer one stays: associative and commutative, with the zero (NULL, NULL, 0, []); a merge does not keep the inner
 * extreme, so it has no inverse.
 */
export function quantileSql({ definition, type, x, s }: MeasureInput): MeasureSql {
  const [lo, hi, n, buckets] = [s('lo'), s('hi'), s('n'), s('q')]
  const value = `(${x})::DOUBLE`
  const q = decimalText(definition.q!)
  // Takes each bucket's count from the rank until nothing of it is left: one step per bucket.
  const found = `list_reduce(list_prepend(struct_pack(b := NULL::INTEGER, n := ceil(${q} * ${n})::BIGINT), ${buckets}), lambda _a, _e: CASE WHEN _a.n <= 0 THEN _a ELSE struct_pack(b := _e.b, n := _a.n - _e.n) END).b`
  const middle = `list_transform([${found}], lambda _b: ${middleSql('_b')})[1]::DOUBLE`
  const near = isWhole(type)
    ? `list_transform([${middle}], lambda _m: CASE WHEN abs(_m) < ${ONE_WHOLE_BELOW} THEN round(_m) ELSE _m END)[1]`
    : middle
  return {
    state: [
      { name: lo, type: 'DOUBLE' },
      { name: hi, type: 'DOUBLE' },
      { name: n, type: 'BIGINT' },
      { name: buckets, type: 'STRUCT(b INTEGER, n BIGINT)[]' },
    ],
    type: 'DOUBLE',
    exactness: { kind: 'bounded', relativeError: 0.01 },
    invertible: 'no',
    partial: [`min(${value})`, `max(${value})`, `count(${x})`],
    merge: [`min(${lo})`, `max(${hi})`, `sum(${n})::BIGINT`],
    list: {
      element: bucketSql(value),
      kind: 'counted',
      keep: null,
    },
    present: `CASE WHEN ${q} * ${n} <= 1 THEN ${lo} WHEN ${n} - ${q} * ${n} < 1 THEN ${hi} ELSE greatest(${lo}, least(${hi}, ${near})) END`,
    estimated: null,
    recount: `quantile_disc(${x}, ${q})::DOUBLE`,
    within: null,
  }
}

/** The bucket of a double. */
export function bucketSql(value: string): string {
  const index = `ceil(ln(abs(${value})) / ln(${QUANTILE_GAMMA}))::INTEGER`
  return `CASE WHEN ${value} = 0 THEN 0 ELSE (sign(${value}) * (${index} + ${ZERO_SHIFT}))::INTEGER END`
}

/** The middle of a bucket. Its lower end is taken first: the upper end of the last bucket is greater than every double. */
function middleSql(b: string): string {
  const half = (2 * QUANTILE_GAMMA) / (QUANTILE_GAMMA + 1)
  return `CASE WHEN ${b} = 0 THEN 0 ELSE sign(${b}) * ${half} * pow(${QUANTILE_GAMMA}, abs(${b}) - ${ZERO_SHIFT + 1}) END`
}

/** As a DECIMAL literal: 0.07 * 100 is 7, but of doubles it is a little more, and the next rank would be taken. */
function decimalText(q: number): string {
  const text = String(q)
  return text.includes('e') ? q.toFixed(20) : text
}
