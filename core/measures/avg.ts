import { DOUBLE_SUM_ERROR, doubleSum, presentedSql, recountedError, recountedSum, unscaledSql } from './double-sum.ts'
import { type MeasureInput, type MeasureSql, QUOTIENT, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * Mean of the values, NULL where there were none. Sum and count add up: associative and commutative, with the zero (NULL, 0);
 * of doubles within their bound. The count tells where subtracting leaves no value.
 */
export function avgSql(input: MeasureInput): MeasureSql {
  const { type, x, s } = input
  const total = sumType(type)
  if (total === 'DOUBLE') return avgOfDoubles(input)
  return {
    ...SCALAR,
    state: [
      { name: s('s'), type: total },
      { name: s('n'), type: 'BIGINT' },
    ],
    type: 'DOUBLE',
    exactness: QUOTIENT,
    invertible: 'yes',
    partial: [`sum(${x})::${total}`, `count(${x})`],
    merge: [`sum(${s('s')})::${total}`, `sum(${s('n')})::BIGINT`],
    present: `${s('s')}::DOUBLE / nullif(${s('n')}, 0)`,
    recount: `sum(${x})::DOUBLE / nullif(count(${x}), 0)`,
  }
}

function avgOfDoubles({ x, s }: MeasureInput): MeasureSql {
  const { state, partial, merge, scaled } = doubleSum(x, s('s'), s('e'))
  return {
    ...SCALAR,
    state: [...state, { name: s('n'), type: 'BIGINT' }],
    type: 'DOUBLE',
    exactness: { kind: 'float', relativeError: DOUBLE_SUM_ERROR, of: 'magnitude' },
    invertible: 'no',
    partial: [...partial, `count(${x})`],
    merge: [...merge, `sum(${s('n')})::BIGINT`],
    present: presentedSql(`(${scaled} / nullif(${s('n')}, 0))`),
    recount: presentedSql(`(${recountedSum(x)} / nullif(count(${x}), 0))`),
    within: unscaledSql(`(${recountedError(x)} / nullif(count(${x}), 0))`),
  }
}
