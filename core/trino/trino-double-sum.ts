/**
 * Sums of doubles on Trino, whose own sum(double) rounds at each step. A value is split exactly into whole units, multiples of 2^-30 and multiples
 * of 2^-92; a larger one is whole anyway, and a smaller one is in multiples of 2^-130. Their sums are integers. What is left, of values from 2^90
 * on (1e27) or with bits below 2^-130 (below 3e-24), travels value by value, and DuckDB adds it.
 */
import { REST_SCALE, UNITS } from '../measures/double-sum.ts'
import type { TrinoMeasure } from './trino-measure.ts'

const WHOLE_END = 2 ** 62
/** 2^36 smaller values have a sum of 38 digits at most */
const LARGE_END = 2 ** 90
const FINER = 2 ** 92
/** smaller values can have bits below 2^-92 */
const SMALL_END = 2 ** -40
const SMALLEST = 2 ** 130

/**
 * Units and rest as in core/measures/double-sum.ts. The two engines round halves differently, so that one may have a unit more and that much less rest;
 * the sum of both is the same.
 */
export function doubleSumOnTrino(x: string): TrinoMeasure {
  const isSmall = `abs(${x}) < ${literal(SMALL_END)}`
  const isLarge = `abs(${x}) >= ${literal(WHOLE_END)}`
  // A double from 2^53 on is whole, so that subtracting is exact in each step.
  const between = `(CASE WHEN ${isSmall} OR ${isLarge} THEN 0e0 ELSE ${x} END)`
  const whole = `CAST(${between} AS bigint)`
  const left1 = `(${between} - CAST(${whole} AS double))`
  const fine = `CAST(${left1} * ${literal(UNITS)} AS bigint)`
  const left2 = `(${left1} - CAST(${fine} AS double) * ${literal(1 / UNITS)})`
  const finer = `CAST(${left2} * ${literal(FINER)} AS bigint)`
  const large = `CASE WHEN ${isLarge} AND abs(${x}) < ${literal(LARGE_END)} THEN ${x} ELSE 0e0 END`
  const smallest = `truncate(${x} * ${literal(SMALLEST)})`
  const small = `CASE WHEN ${isSmall} THEN ${smallest} ELSE 0e0 END`
  const left = `(CASE WHEN ${isSmall} THEN ${x} - ${smallest} * ${literal(1 / SMALLEST)} WHEN abs(${x}) >= ${literal(LARGE_END)} THEN ${x} ELSE 0e0 END)`
  const sum = (part: string): string => `sum(CAST(${part} AS decimal(38,0))) FILTER (WHERE ${x} IS NOT NULL)`
  const aggregates = [whole, fine, finer, large, small].map(sum)
  return {
    aggregates: [
      ...aggregates,
      `array_agg(${left} * ${literal(REST_SCALE)}) FILTER (WHERE ${x} IS NOT NULL AND ${left} <> 0e0)`,
    ],
    sent: (columns) => columns.map((sql, at) => ({ sql, type: at < aggregates.length ? 'DECIMAL(38,0)' : 'DOUBLE[]' })),
    states: ([w, f, finer, large, small, left]) => [
      `(${w}::HUGEINT * ${UNITS} + ${f}::HUGEINT)::DECIMAL(38,0)`,
      `CASE WHEN ${w} IS NOT NULL THEN list_aggregate(list_concat([${restSql(finer!, 1 / FINER)}, ${restSql(large!, 1)}, ${restSql(small!, 1 / SMALLEST)}], coalesce(${left}, [])), 'fsum') END`,
    ],
    list: null,
  }
}

/** DuckDB's SQL: a sum of multiples of a unit as the rest has it. */
function restSql(multiples: string, unit: number): string {
  return `${multiples}::DOUBLE * ${literal(unit * REST_SCALE)}`
}

/** With an exponent a literal is a double, on both engines. */
function literal(value: number): string {
  return value.toExponential()
}
