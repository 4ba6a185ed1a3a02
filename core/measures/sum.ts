import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * Sum of the values, NULL where there were none. States add up: associative and commutative, with the zero NULL; of doubles
 * only within 1e-9. The state does not say how many values it has: subtracting all of them leaves 0, not NULL.
 */
export function sumSql({ type, x, s }: MeasureInput): MeasureSql {
  const total = sumType(type)
  const float = total === 'DOUBLE'
  return {
    ...SCALAR,
    state: [{ name: s('s'), type: total }],
    type: total,
    exactness: float ? { kind: 'float' } : { kind: 'exact' },
    invertible: float ? 'no' : 'null-as-zero',
    partial: [`sum(${x})::${total}`],
    merge: [`sum(${s('s')})::${total}`],
    present: s('s'),
    recount: `sum(${x})::${total}`,
  }
}
