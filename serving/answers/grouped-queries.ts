/** A query of a grouping as two: what is asked of the view whose rows are grouped, and what is asked of the groups. */
import type { CompiledGrouping } from '#core/compiled.ts'
import { QUERY_LIMITS, type ViewQuery } from '#core/query.ts'
import { QueryError } from './query-error.ts'

export interface GroupedQueries {
  readonly rows: ViewQuery
  readonly groups: ViewQuery
}

/** @throws QueryError that names the parameter */
export function groupedQueries(grouping: CompiledGrouping, query: ViewQuery): GroupedQueries {
  const { name, over, by } = grouping
  const { everyMs: every, compare, grain, fill } = query
  for (const [member, value] of Object.entries({ compare, every, grain, fill }))
    if (value !== undefined)
      throw new QueryError(member, `is not for groupings; ask view '${over.name}', whose rows '${name}' groups`)
  const { dataset, fromMs, toMs, at, timezone, ...ofGroups } = query
  const range = { fromMs, toMs, at, timezone }
  return {
    rows: {
      dataset,
      view: over.name,
      dimensions: by,
      measures: measuresRead(grouping),
      limit: QUERY_LIMITS.rowsMax,
      ...range,
    },
    groups: { dataset, ...ofGroups },
  }
}

/** One is read also where none is needed: a row has to have a value. */
function measuresRead({ over, by, view }: CompiledGrouping): string[] {
  const names = over.measures.map(({ name }) => name)
  const keys = over.lookups.filter(({ name }) => view.reads.includes(name)).map(({ key }) => key)
  const read = names.filter((name) => view.reads.includes(name) || keys.includes(name))
  return read.length === 0 && by.length === 0 ? names.slice(0, 1) : read
}
