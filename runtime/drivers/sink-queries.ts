/** The queries of a dataset's sinks, checked when the definition is loaded: a sink that can never deliver is not found out about while it runs. */
import type { CompiledDataset } from '#core/compiled.ts'
import { assertBounded } from '#serving/answers/merged-sql.ts'
import { QueryError } from '#serving/answers/query-error.ts'
import { planFor } from '#serving/answers/query-plan.ts'
import { parseQuery } from '#serving/http/queries/parse-query.ts'

/**
 * What is wrong with each, in the order of the definition.
 *
 * ```ts
 * sinkQueryProblems(shop) // ["sink 'to_crm': query: having: 'm' is not a measure …"]
 * ```
 */
export function sinkQueryProblems(dataset: CompiledDataset): string[] {
  return dataset.sinks.flatMap(({ name, view, query = {} }) => {
    try {
      assertBounded(planFor(dataset, parseQuery(dataset.name, view, query)))
      return []
    } catch (error) {
      if (error instanceof QueryError) return [`sink '${name}': query: ${error.message}`]
      throw error
    }
  })
}
