/**
 * Buckets of quantiles on Trino. The logarithms of two engines can differ in their last digit, which decides where a value is at the border of two
 * buckets. Such a value travels itself, and DuckDB finds its bucket; of all others both find the same one.
 */
import { bucketSql, QUANTILE_GAMMA, ZERO_SHIFT } from '../measures/quantile.ts'
import type { TrinoList } from './trino-measure.ts'

/** Far more than a last digit: an index is below 36,000, so that two logarithms differ by less than 1e-10 buckets. */
const BORDER = 1e-6

export function quantileElement(x: string, type: string): Pick<TrinoList, 'sent' | 'element'> {
  const value = `CAST(${x} AS double)`
  const place = `(ln(abs(${value})) / ln(${literal(QUANTILE_GAMMA)}))`
  // The value of 0 has no logarithm, and one bucket.
  const isClear = `${value} <> 0e0 AND abs(${place} - round(${place})) > ${literal(BORDER)}`
  const bucket = `CAST(sign(${value}) * (ceil(${place}) + ${literal(ZERO_SHIFT)}) AS integer)`
  return {
    sent: [
      { sql: `CASE WHEN ${isClear} THEN ${bucket} END`, type: 'INTEGER' },
      { sql: `CASE WHEN NOT (${isClear}) THEN ${x} END`, type },
    ],
    element: ([clear, itself]) => `coalesce(${clear}, ${bucketSql(`(${itself})::DOUBLE`)})`,
  }
}

function literal(value: number): string {
  return value.toExponential()
}
