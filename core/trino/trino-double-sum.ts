/**
 * Sums of doubles on Trino, whose own sum(double) rounds at each step. A value is split exactly into whole units, multiples of 2^-30 and multiples
 * of 2^-92, whose sums are integers. What is left, of values from 2^62 on or with bits below 2^-92, travels value by value, and DuckDB adds it.
 */
import { REST_SCALE, UNITS } from '../measures/double-sum.ts'
import type { TrinoMeasure } from './trino-measure.ts'

const WHOLE_END = 2 ** 62
const FINER = 2 ** 92

/**
 * Units and rest as in core/measures/double-sum.ts. The two engines round halves differently, so that one may have a unit more and that much less rest;
 * the sum of both is the same.
 */
export function doubleSumOnTrino(x: string): TrinoMeasure {
  const isWhole = `abs(${x}) < ${literal(WHOLE_END)}`
  const whole = `CAST(CASE WHEN ${isWhole} THEN ${x} ELSE 0e0 END AS bigint)`
  // A double from 2^53 on is whole, so that subtracting is exact in each step.
  const left1 = `(CASE WHEN ${isWhole} THEN ${x} - CAST(${whole} AS double) ELSE 0e0 END)`
  const fine = `CAST(${left1} * ${literal(UNITS)} AS bigint)`
  const left2 = `(${left1} - CAST(${fine} AS double) * ${literal(1 / UNITS)})`
  const finer = `CAST(${left2} * ${literal(FINER)} AS bigint)`
  const left3 = `(CASE WHEN ${isWhole} THEN ${left2} - CAST(${finer} AS double) * ${literal(1 / FINER)} ELSE ${x} END)`
  const sum = (part: string): string => `sum(CAST(${part} AS decimal(38,0))) FILTER (WHERE ${x} IS NOT NULL)`
  return {
    aggregates: [
      sum(whole),
      sum(fine),
      sum(finer),
      `array_agg(${left3} * ${literal(REST_SCALE)}) FILTER (WHERE ${x} IS NOT NULL AND ${left3} <> 0e0)`,
    ],
    sent: (columns) => columns.map((sql, at) => ({ sql, type: at === 3 ? 'DOUBLE[]' : 'DECIMAL(38,0)' })),
    states: ([w, f, g, left]) => [
      `(${w}::HUGEINT * ${UNITS} + ${f}::HUGEINT)::DECIMAL(38,0)`,
      `CASE WHEN ${w} IS NOT NULL THEN list_aggregate(list_prepend(${g}::DOUBLE * ${literal(REST_SCALE / FINER)}, coalesce(${left}, [])), 'fsum') END`,
    ],
    list: null,
  }
}

/** With an exponent a literal is a double, on both engines. */
function literal(value: number): string {
  return value.toExponential()
}
