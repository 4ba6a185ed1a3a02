import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * One sum divided by another, NULL where the latter is 0 or absent. Both sums add up: associative and commutative, with the
 * zero (NULL, NULL); of doubles only within 1e-9. As with a sum, subtracting all values leaves 0, not NULL.
 */
export function ratioSql({ type, second, x, y, s }: MeasureInput): MeasureSql {
  const [a, b] = [sumType(type), sumType(second)]
  return {
    ...SCALAR,
    state: [
      { name: s('a'), type: a },
      { name: s('b'), type: b },
    ],
    type: 'DOUBLE',
    exactness: { kind: 'float' },
    invertible: a === 'DOUBLE' || b === 'DOUBLE' ? 'no' : 'null-as-zero',
    partial: [`sum(${x})::${a}`, `sum(${y})::${b}`],
    merge: [`sum(${s('a')})::${a}`, `sum(${s('b')})::${b}`],
    present: `${s('a')}::DOUBLE / nullif(${s('b')}::DOUBLE, 0)`,
    recount: `sum(${x})::DOUBLE / nullif(sum(${y})::DOUBLE, 0)`,
  }
}
