import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/**
 * The value of the row whose second value is the greatest (maxBy) or smallest (minBy), of rows that have both; among rows with the same one the
 * greatest or smallest value, so that the answer does not depend on the order. The greater or smaller of two states: associative,
 * commutative and idempotent, with the zero NULL; a merge does not keep the other state, so it has no inverse.
 */
export function extremeBySql(kind: 'maxBy' | 'minBy', { type, second, x, y, s }: MeasureInput): MeasureSql {
  const [best, direction] = kind === 'maxBy' ? ['max', ' DESC'] : ['min', '']
  const v = s('v')
  const stored = `STRUCT(b ${second}, v ${type})`
  const both = `${x} IS NOT NULL AND ${y} IS NOT NULL`
  return {
    ...SCALAR,
    state: [{ name: v, type: stored }],
    type,
    exactness: { kind: 'exact' },
    invertible: 'no',
    // Structs compare by their fields in turn.
    partial: [`${best}(struct_pack(b := ${y}, v := ${x})) FILTER (WHERE ${both})`],
    merge: [`${best}(${v})`],
    present: `${v}.v`,
    recount: `first(${x} ORDER BY ${y}${direction}, ${x}${direction}) FILTER (WHERE ${both})`,
  }
}
