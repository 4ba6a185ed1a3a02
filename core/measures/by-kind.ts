/** Picks the measure of a kind. */
import type { CompiledMeasure } from '../compiled.ts'
import type { MeasureDefinition } from '../definition.ts'
import { associationSql } from './association.ts'
import { avgSql } from './avg.ts'
import { boolAndOrSql } from './bool-and-or.ts'
import { countSql } from './count.ts'
import { countDistinctSql } from './count-distinct.ts'
import { extremeBySql } from './extreme-by.ts'
import { firstLatestSql } from './first-latest.ts'
import { histogramSql } from './histogram.ts'
import type { MeasureInput, MeasureSql } from './measure-sql.ts'
import { minMaxSql } from './min-max.ts'
import { quantileSql } from './quantile.ts'
import { ratioSql } from './ratio.ts'
import { spreadSql } from './spread.ts'
import { sumSql } from './sum.ts'

type Kind = MeasureDefinition['kind']

const KINDS: Readonly<Record<Kind, (input: MeasureInput) => MeasureSql>> = {
  count: countSql,
  sum: sumSql,
  min: (input) => minMaxSql('min', input),
  max: (input) => minMaxSql('max', input),
  avg: avgSql,
  ratio: ratioSql,
  first: (input) => firstLatestSql('first', input),
  latest: (input) => firstLatestSql('latest', input),
  countDistinct: countDistinctSql,
  quantile: quantileSql,
  varSamp: (input) => spreadSql('varSamp', input),
  varPop: (input) => spreadSql('varPop', input),
  stddevSamp: (input) => spreadSql('stddevSamp', input),
  stddevPop: (input) => spreadSql('stddevPop', input),
  covarSamp: (input) => associationSql('covarSamp', input),
  covarPop: (input) => associationSql('covarPop', input),
  corr: (input) => associationSql('corr', input),
  regrSlope: (input) => associationSql('regrSlope', input),
  maxBy: (input) => extremeBySql('maxBy', input),
  minBy: (input) => extremeBySql('minBy', input),
  histogram: histogramSql,
  boolAnd: (input) => boolAndOrSql('boolAnd', input),
  boolOr: (input) => boolAndOrSql('boolOr', input),
}

export function measureSql(input: MeasureInput): MeasureSql {
  return KINDS[input.definition.kind](input)
}

/** The measure as the other tiers see it. */
export function compiledMeasure(
  name: string,
  { kind, label, description }: MeasureDefinition,
  sql: MeasureSql,
): CompiledMeasure {
  const { type, state, exactness, invertible } = sql
  return { name, kind, type, state, exactness, invertible, label, description }
}

/** Kinds that need numbers. */
export function wantsNumber(kind: Kind): boolean {
  return wantsSum(kind) || OF_NUMBERS.has(kind) || wantsNumbers(kind)
}

const OF_NUMBERS: ReadonlySet<Kind> = new Set([
  ...(['quantile', 'histogram'] as const),
  ...(['varSamp', 'varPop', 'stddevSamp', 'stddevPop'] as const),
])

/** Kinds that need two numbers. */
export function wantsNumbers(kind: Kind): boolean {
  return kind === 'ratio' || kind === 'covarSamp' || kind === 'covarPop' || kind === 'corr' || kind === 'regrSlope'
}

/** Kinds that need a condition. */
export function wantsCondition(kind: Kind): boolean {
  return kind === 'boolAnd' || kind === 'boolOr'
}

/** Kinds whose state is a sum of the values. */
export function wantsSum(kind: Kind): boolean {
  return kind === 'sum' || kind === 'avg' || kind === 'ratio'
}
