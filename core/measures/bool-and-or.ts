import { type MeasureInput, type MeasureSql, SCALAR } from './measure-sql.ts'

/**
 * Whether a condition is true in every row (boolAnd) or in any (boolOr), of rows that have one; NULL where none has. Conjunction and
 * disjunction: associative, commutative and idempotent, with the zero NULL; a merge does not keep which side was true, so it has no inverse.
 */
export function boolAndOrSql(kind: 'boolAnd' | 'boolOr', { x, s }: MeasureInput): MeasureSql {
  const aggregate = kind === 'boolAnd' ? 'bool_and' : 'bool_or'
  const v = s('v')
  const counted = kind === 'boolAnd' ? `count(*) FILTER (WHERE NOT ${x}) = 0` : `count(*) FILTER (WHERE ${x}) > 0`
  return {
    ...SCALAR,
    state: [{ name: v, type: 'BOOLEAN' }],
    type: 'BOOLEAN',
    exactness: { kind: 'exact' },
    invertible: 'no',
    partial: [`${aggregate}(${x})`],
    merge: [`${aggregate}(${v})`],
    present: v,
    recount: `CASE WHEN count(${x}) > 0 THEN ${counted} END`,
  }
}
