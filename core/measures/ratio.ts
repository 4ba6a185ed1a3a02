import { finiteSql } from '../stored-value.ts'
import { DOUBLE_SUM_ERROR, doubleSum, recountedError, recountedSum } from './double-sum.ts'
import { type MeasureInput, type MeasureSql, QUOTIENT, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * One sum divided by another, NULL where the latter is 0 or absent. Both sums add up: associative and commutative, with the
 * zero (NULL, NULL); of doubles within their bound. As with a sum, subtracting all values leaves 0, not NULL.
 */
export function ratioSql(input: MeasureInput): MeasureSql {
  const { type, second, x, y, s } = input
  const [a, b] = [sumType(type), sumType(second)]
  if (a === 'DOUBLE' || b === 'DOUBLE') return ratioOfDoubles(input)
  return {
    ...SCALAR,
    state: [
      { name: s('a'), type: a },
      { name: s('b'), type: b },
    ],
    type: 'DOUBLE',
    exactness: QUOTIENT,
    invertible: 'null-as-zero',
    partial: [`sum(${x})::${a}`, `sum(${y})::${b}`],
    merge: [`sum(${s('a')})::${a}`, `sum(${s('b')})::${b}`],
    // 0 divided by a negative sum is -0, which is 0.
    present: `${s('a')}::DOUBLE / nullif(${s('b')}::DOUBLE, 0) + 0.0`,
    recount: `sum(${x})::DOUBLE / nullif(sum(${y})::DOUBLE, 0) + 0.0`,
  }
}

/** Of doubles, or of doubles and other numbers: both sums are kept alike. */
function ratioOfDoubles({ x, y, s }: MeasureInput): MeasureSql {
  const [dividend, divisor] = [`${x}::DOUBLE`, `${y}::DOUBLE`]
  const a = doubleSum(dividend, s('a'), s('ae'))
  const b = doubleSum(divisor, s('b'), s('be'))
  const [sumA, sumB] = [recountedSum(dividend), recountedSum(divisor)]
  const [errorA, errorB] = [recountedError(dividend), recountedError(divisor)]
  return {
    ...SCALAR,
    state: [...a.state, ...b.state],
    type: 'DOUBLE',
    exactness: { kind: 'float', relativeError: DOUBLE_SUM_ERROR, of: 'magnitude' },
    invertible: 'no',
    partial: [...a.partial, ...b.partial],
    merge: [...a.merge, ...b.merge],
    present: finiteSql(`(${a.scaled} / nullif(${b.scaled}, 0))`),
    recount: finiteSql(`(${sumA} / nullif(${sumB}, 0))`),
    // A divisor that cancels to nothing within its error leaves the quotient open.
    within: `CASE WHEN ${errorB} > 0 AND abs(${sumB}) <= ${errorB} THEN 'inf'::DOUBLE
      ELSE (${errorA} + abs(${sumA} / nullif(${sumB}, 0)) * ${errorB}) / nullif(abs(${sumB}) - ${errorB}, 0) END`,
  }
}
