/** Picks the measure of a kind. */
import type { CompiledMeasure } from '../compiled.ts'
import type { MeasureDefinition } from '../definition.ts'
import { avgSql } from './avg.ts'
import { countSql } from './count.ts'
import { countDistinctSql } from './count-distinct.ts'
import { firstLatestSql } from './first-latest.ts'
import type { MeasureInput, MeasureSql } from './measure-sql.ts'
import { minMaxSql } from './min-max.ts'
import { quantileSql } from './quantile.ts'
import { ratioSql } from './ratio.ts'
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
}

export function measureSql(input: MeasureInput): MeasureSql {
  return KINDS[input.definition.kind](input)
}

/** The measure as the other tiers see it. */
export function compiledMeasure(name: string, { kind, label }: MeasureDefinition, sql: MeasureSql): CompiledMeasure {
  const { type, state, exactness, invertible } = sql
  return { name, kind, type, state, exactness, invertible, label }
}

/** Kinds that need numbers. */
export function wantsNumber(kind: Kind): boolean {
  return wantsSum(kind) || kind === 'quantile'
}

/** Kinds whose state is a sum of the values. */
export function wantsSum(kind: Kind): boolean {
  return kind === 'sum' || kind === 'avg' || kind === 'ratio'
}
