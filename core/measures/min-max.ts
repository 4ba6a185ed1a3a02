import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/**
 * Smallest or largest value, NULL where there was none. The smaller or larger of two states: associative, commutative and
 * idempotent, with the zero NULL; a merge does not keep the other state, so it has no inverse.
 */
export function minMaxSql(f: 'min' | 'max', { type, x, s }: MeasureInput): MeasureSql {
  return {
    ...SCALAR,
    state: [{ name: s('v'), type }],
    type,
    exactness: { kind: 'exact' },
    invertible: 'no',
    partial: [`${f}(${x})`],
    merge: [`${f}(${s('v')})`],
    present: s('v'),
    recount: `first(${x} ORDER BY ${x}${f === 'min' ? '' : ' DESC'}) FILTER (WHERE ${x} IS NOT NULL)`,
  }
}
