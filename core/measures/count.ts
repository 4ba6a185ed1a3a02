import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/** Number of rows. States add up: associative and commutative, with the zero 0. */
export function countSql({ definition, x, s }: MeasureInput): MeasureSql {
  const n = definition.where === undefined ? 'count(*)' : `count(${x})`
  return {
    ...SCALAR,
    state: [{ name: s('n'), type: 'BIGINT' }],
    type: 'BIGINT',
    exactness: { kind: 'exact' },
    invertible: 'yes',
    partial: [n],
    merge: [`sum(${s('n')})::BIGINT`],
    present: s('n'),
    recount: n,
  }
}
