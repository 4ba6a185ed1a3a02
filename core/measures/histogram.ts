import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/** Why the bounds of a histogram cannot be used, as a sentence; null if they can. */
export function whyBoundsUnusable(bounds: readonly number[]): string | null {
  if (bounds.length === 0 || bounds.length > HISTOGRAM_BOUNDS_MAX)
    return `a histogram must have 1 to ${HISTOGRAM_BOUNDS_MAX} bounds`
  const wrong = bounds.find((bound, at) => !Number.isFinite(bound) || (at > 0 && bound <= bounds[at - 1]!))
  return wrong === undefined ? null : `the bounds of a histogram must be finite and ascending, but ${wrong} is not`
}

export const HISTOGRAM_BOUNDS_MAX = 64

/**
 * How many values are in each bin: up to and including the first bound, above it up to the second, …, and above the last. Counts add up, bin by
 * bin: associative and commutative, with the zero of no values. Its counts could be subtracted, but nothing subtracts lists.
 */
export function histogramSql({ definition, x, s }: MeasureInput): MeasureSql {
  const bounds = definition.bounds ?? []
  const b = s('b')
  const conditions = [...bounds, null].map((bound, at) => {
    const above = at === 0 ? [] : [`${x} > ${numberText(bounds[at - 1]!)}`]
    return [...above, ...(bound === null ? [] : [`${x} <= ${numberText(bound)}`])].join(' AND ') || 'true'
  })
  const places = conditions.map((_, at) => at + 1)
  return {
    ...SCALAR,
    state: [{ name: b, type: 'BIGINT[]' }],
    type: 'BIGINT[]',
    exactness: { kind: 'exact' },
    invertible: 'no',
    partial: [`[${conditions.map((condition) => `count(*) FILTER (WHERE ${condition})`).join(', ')}]`],
    merge: [`[${places.map((place) => `sum(${b}[${place}])::BIGINT`).join(', ')}]`],
    present: b,
    recount: `list_transform(range(1, ${places.length + 1}), lambda _b: len(list_filter(list(${binSql(x, bounds)}), lambda _x: _x = _b)))`,
  }
}

/** SQL: the number of the value's bin, from 1; NULL for none. */
function binSql(x: string, bounds: readonly number[]): string {
  const cases = bounds.map((bound, at) => `WHEN ${x} <= ${numberText(bound)} THEN ${at + 1}`)
  return `CASE WHEN ${x} IS NULL THEN NULL ${cases.join(' ')} ELSE ${bounds.length + 1} END`
}

/** Compared with a decimal or an integer exactly where it is written without an exponent. */
function numberText(bound: number): string {
  const text = String(bound)
  return bound < 0 ? `(${text})` : text
}
