import type { MeasureInput, MeasureSql } from './measure-sql.ts'

/** Distinct counts are exact up to this many values. */
const KMV_K = 2_048
/** hashes that a state keeps: with one more than K it is known whether there are more */
export const KMV_KEPT = KMV_K + 1
/** One standard deviation of the estimate beyond K, relative: 1 / sqrt(K - 1). Bar-Yossef et al., 2002; Beyer et al., 2007. */
const KMV_SIGMA = 1 / Math.sqrt(KMV_K - 1)
const HASH_SPACE = 2 ** 52

/**
 * Number of distinct values. The smallest hashes of the union of two sets: associative, commutative and idempotent, with the
 * zero []; a merge does not keep which set a hash came from, so it has no inverse.
 */
export function countDistinctSql({ definition, x, s }: MeasureInput): MeasureSql {
  const h = s('h')
  const estimate = `CASE WHEN len(${h}) <= ${KMV_K} THEN len(${h}) ELSE round(${KMV_K} / (${h}[${KMV_KEPT}]::DOUBLE / ${HASH_SPACE}))::BIGINT END`
  return {
    state: [{ name: h, type: 'BIGINT[]' }],
    type: 'BIGINT',
    exactness: definition.exact ? { kind: 'exact' } : { kind: 'sketch', k: KMV_K, relativeSigma: KMV_SIGMA },
    invertible: 'no',
    partial: [],
    merge: [],
    list: {
      element: `CAST('0x' || substr(md5(${x}::VARCHAR), 1, 13) AS BIGINT)`,
      kind: 'distinct',
      keep: definition.exact ? null : KMV_KEPT,
    },
    present: definition.exact ? `len(${h})` : estimate,
    estimated: definition.exact ? null : `len(${h}) > ${KMV_K}`,
    recount: `count(DISTINCT ${x})`,
    within: null,
  }
}
