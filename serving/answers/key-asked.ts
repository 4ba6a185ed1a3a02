/** Which files of a view that is cut by keys a query needs: those of one key, where its filters fix every dimension. */
import { certainLeaves } from '#core/condition.ts'
import { keySlotSql } from '#core/key-slots.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { isOfSlots, type StateRange } from '#storage/lake/state-ranges.ts'
import { BoundValues } from './bound-values.ts'
import { typedSql } from './filter-sql.ts'
import type { QueryPlan } from './query-plan.ts'
import type { Snapshot } from './snapshot.ts'

/** The engine places the key, as it did when the files were cut. @returns everything, where the query is not of one key */
export async function keyAsked(
  { view, sides, grouping, series, query }: QueryPlan,
  { generation }: Pick<Snapshot, 'generation'>,
  connection: EngineConnection,
): Promise<StateRange> {
  const slot = keySlotSql(view.dimensions)
  // Others filter what they have made of the states of all keys.
  if (slot === null || sides !== null || grouping !== null || series !== null) return {}
  if (!generation?.views[view.name]?.files.some(isOfSlots)) return {}
  const fixed = certainLeaves(query.filters ?? []).filter(({ operator }) => operator === 'eq' || operator === 'null')
  const bound = new BoundValues()
  const values: string[] = []
  for (const { name, type } of view.dimensions) {
    const filter = fixed.find(({ dimension }) => dimension === name)
    if (filter === undefined) return {}
    const value = filter.operator === 'null' ? `NULL::${type}` : typedSql(type, filter.values[0]!, bound)
    values.push(`${value} AS ${quoteName(name)}`)
  }
  const [[fromSlot]] = (await connection.columns(
    `SELECT ${slot} FROM (SELECT ${values.join(', ')})`,
    bound.parameters,
  )) as [[number]]
  return { fromSlot, beforeSlot: fromSlot + 1 }
}
