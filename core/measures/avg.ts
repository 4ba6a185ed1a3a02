import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'
import { sumType } from './number-types.ts'

/**
 * Mean of the values, NULL where there were none. Sum and count add up: associative and commutative, with the zero (NULL, 0);
 * of doubles only within 1e-9. The count tells where subtracting leaves no value.
 */
export function avgSql({ type, x, s }: MeasureInput): MeasureSql {
  const total = sumType(type)
  return {
    ...SCALAR,
    state: [
      { name: s('s'), type: total },
      { name: s('n'), type: 'BIGINT' },
    ],
    type: 'DOUBLE',
    exactness: { kind: 'float' },
    invertible: total === 'DOUBLE' ? 'no' : 'yes',
    partial: [`sum(${x})::${total}`, `count(${x})`],
    merge: [`sum(${s('s')})::${total}`, `sum(${s('n')})::BIGINT`],
    present: `${s('s')}::DOUBLE / nullif(${s('n')}, 0)`,
    recount: `sum(${x})::DOUBLE / nullif(count(${x}), 0)`,
  }
}
