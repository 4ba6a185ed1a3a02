/** Checks the ranking and the lookups of a view, which name what its rows have. */
import type { CompiledLookup, CompiledRank, SqlColumn } from './compiled.ts'
import { nearest } from './definition-error.ts'
import { DEFINITION_LIMITS } from './definition-limits.ts'
import type { ViewDefinition } from './definition-parts.ts'
import type { SqlDialect } from './dialect.ts'
import { checkExpression, expressionSql } from './expression.ts'
import { sayUnlessBoolean, typesOf } from './expression-types.ts'
import { rowOfNulls, sayFailing } from './failing-constants.ts'
import type { Say } from './view-panes.ts'
import { emptyRelation } from './view-sql.ts'

export function lookupsOf(view: ViewDefinition, columns: readonly SqlColumn[], say: Say): CompiledLookup[] {
  return Object.entries(view.enrich ?? {}).map(([name, { dictionary, key, attribute }]) => {
    const column = columns.find((entry) => entry.name === key)
    if (column === undefined)
      say(
        `enrich '${name}'`,
        `the key '${key}' is not a dimension or measure${nearest(
          key,
          columns.map((entry) => entry.name),
        )}`,
      )
    return { name, dictionary, key, attribute, list: column?.type.endsWith('[]') ?? false }
  })
}

export async function rankOf(
  view: ViewDefinition,
  presented: readonly SqlColumn[],
  dialect: SqlDialect,
  say: Say,
): Promise<CompiledRank | undefined> {
  const { rank } = view
  if (rank === undefined) return undefined
  const measures = Object.keys(view.measures)
  if (!measures.includes(rank.by)) say('rank', `'${rank.by}' is not a measure${nearest(rank.by, measures)}`)
  if (!Number.isInteger(rank.limit) || rank.limit < 1 || rank.limit > DEFINITION_LIMITS.rankMax)
    say('rank', `limit ${rank.limit} is not between 1 and ${DEFINITION_LIMITS.rankMax}`)
  for (const dimension of rank.dimensions ?? []) {
    if (!(dimension in view.dimensions))
      say('rank', `'${dimension}' is not a dimension${nearest(dimension, Object.keys(view.dimensions))}`)
  }
  const known = new Set(measures)
  const having = rank.having === undefined ? undefined : expressionSql(rank.having, known)
  if (having !== undefined) {
    const place = 'rank, having'
    const problems = await checkExpression(dialect, rank.having!, known, new Set())
    for (const problem of problems) say(place, problem)
    const one = { place, sql: having }
    const [type] = problems.length > 0 ? [] : await typesOf(dialect, [one], emptyRelation(presented), say)
    if (type !== undefined) {
      sayUnlessBoolean(say, place, rank.having, type)
      await sayFailing(dialect, [{ place, expression: rank.having! }], known, rowOfNulls(presented), say)
    }
  }
  return {
    by: rank.by,
    limit: rank.limit,
    dimensions: rank.dimensions ?? Object.keys(view.dimensions),
    having,
  }
}
