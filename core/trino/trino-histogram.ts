import { isComparedExactly, numberText } from '../measures/histogram.ts'

/** One count per bin, which ends at its bound. The numbers are compared as DuckDB compares them: exactly, or as doubles. */
export function histogramAggregates(x: string, type: string, bounds: readonly number[]): string[] {
  const compared = (operator: '>' | '<=', bound: number): string => {
    const text = numberText(bound)
    return isComparedExactly(type, bound)
      ? `${x} ${operator} ${text}`
      : `CAST(${x} AS double) ${operator} CAST(${text} AS double)`
  }
  return [...bounds, null].map((bound, at) => {
    const above = at === 0 ? [] : [compared('>', bounds[at - 1]!)]
    const conditions = [...above, ...(bound === null ? [] : [compared('<=', bound)])]
    return `count(*) FILTER (WHERE ${conditions.join(' AND ') || 'true'})`
  })
}
