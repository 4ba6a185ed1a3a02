import { DOUBLE_SUM_ERROR, doubleSum, presentedSql, recountedError, recountedSum, unscaledSql } from './double-sum.ts'
import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * Sum of the values, NULL where there were none. States add up: associative and commutative, with the zero NULL; of doubles
 * within their bound. The state does not say how many values it has: subtracting all of them leaves 0, not NULL.
 */
export function sumSql(input: MeasureInput): MeasureSql {
  const { type, x, s } = input
  const total = sumType(type)
  if (total === 'DOUBLE') return sumOfDoubles(input)
  return {
    ...SCALAR,
    state: [{ name: s('s'), type: total }],
    type: total,
    exactness: { kind: 'exact' },
    invertible: 'null-as-zero',
    partial: [`sum(${x})::${total}`],
    merge: [`sum(${s('s')})::${total}`],
    present: s('s'),
    recount: `sum(${x})::${total}`,
  }
}

function sumOfDoubles({ x, s }: MeasureInput): MeasureSql {
  const { state, partial, merge, scaled } = doubleSum(x, s('s'), s('e'))
  return {
    ...SCALAR,
    state,
    type: 'DOUBLE',
    exactness: { kind: 'float', relativeError: DOUBLE_SUM_ERROR, of: 'magnitude' },
    invertible: 'no',
    partial,
    merge,
    present: presentedSql(scaled),
    recount: presentedSql(recountedSum(x)),
    within: unscaledSql(recountedError(x)),
  }
}
