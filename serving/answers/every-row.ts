/** All rows of an answer, however many, as a relation of the engine: for exports, which write them without holding them. */
import type { SqlColumn } from '#core/compiled.ts'
import type { ViewQuery } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import type { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { answerColumns } from './answer-columns.ts'
import { type AnswerMeta, metaOf } from './answer-meta.ts'
import type { BoundValues } from './bound-values.ts'
import { rowsSource } from './grouped-states-sql.ts'
import { narrowed } from './kept-detail.ts'
import { enrichedSql, lookupsShown } from './lookup-sql.ts'
import { EVERY_ROW, orderSql } from './merged-sql.ts'
import { explained, panesAsked, rangeOf, rowsSql, type StatesAt, sketchedNames, statesOf } from './merged-view.ts'
import { QueryError } from './query-error.ts'
import { planFor, type QueryPlan, viewsOf } from './query-plan.ts'
import { type ServedDataset, type Snapshot, takeSnapshot } from './snapshot.ts'
import { onConnection } from './time-limit.ts'
import { totalsOf } from './totals.ts'

/** The rows at one position, in the order of the answer. */
export interface EveryRow {
  /** SELECT with the columns under their names; `time`, where there is one, as milliseconds since 1970 */
  readonly sql: string
  readonly bound: BoundValues
  readonly columns: readonly SqlColumn[]
  readonly meta: AnswerMeta
  /** what it is merged from */
  readonly snapshot: Snapshot
}

/** Where the rows are computed: apart from what answers short queries, which must have its memory for itself. */
export interface RowsPlace {
  readonly engine: DuckDbEngine
  /** for files, gone with the engine; both this engine and the one that answers may write in it */
  readonly folder: string
}

/** What is done with the rows, for as long as the place is there. */
export type RowsWork<T> = (rows: EveryRow, connection: EngineConnection) => Promise<T>

/** @throws as `answerQuery` */
export async function withEveryRow<T>(
  served: ServedDataset,
  query: ViewQuery,
  { engine }: Pick<RowsPlace, 'engine'>,
  { signal, nowMs = Date.now() }: { readonly signal: AbortSignal; readonly nowMs?: number },
  work: RowsWork<T>,
): Promise<T> {
  const plan = planFor(served.dataset, query)
  const panes = panesAsked(plan, nowMs)
  const snapshot = await takeSnapshot(served, { views: viewsOf(plan), live: 'optional', panes })
  return onConnection(engine, signal, async (connection) =>
    everyRowOf(connection, plan, await statesOf(served, plan, snapshot, connection, panes), nowMs, work),
  )
}

/** @param limited a plan, whatever its limit is */
export async function everyRowOf<T>(
  connection: EngineConnection,
  limited: QueryPlan,
  at: StatesAt,
  nowMs: number,
  work: RowsWork<T>,
): Promise<T> {
  if (limited.paged) throw new QueryError('cursor', 'cannot be combined with limit=all, which gives all rows at once')
  if (limited.sides !== null)
    throw new QueryError('limit', "'all' cannot be combined with 'views'; read them in pages, with 'cursor'")
  const plan = { ...limited, limit: EVERY_ROW }
  const { snapshot, bound, dictionaries, outdated } = at
  try {
    const range = await rangeOf(plan, at, connection, nowMs)
    const kept = narrowed(plan, range, snapshot.generation)
    const from = rowsSource(kept.plan, at.sql, kept.range, dictionaries, bound)
    const totals = plan.totals ? await totalsOf(connection, kept.plan, { sql: from.states, bound }, from.range) : null
    const ordered = rowsSql(kept.plan, from.states, from.range, bound)
    const { sql, names } = enrichedRows(plan, ordered, dictionaries)
    const estimated = await estimatedOf(plan, ordered, bound, connection)
    const meta = metaOf({
      plan,
      snapshot,
      range,
      nowMs,
      givenAtMs: Date.now(),
      truncated: false,
      estimated,
      outdated,
      totals,
      removed: kept.removed,
    })
    return await work({ sql, bound, columns: answerColumns(plan, names), meta, snapshot }, connection)
  } catch (error) {
    throw explained(error, plan)
  }
}

/** Lookups need numbered rows; without any, numbering all rows would only cost time. */
function enrichedRows(
  plan: QueryPlan,
  ordered: string,
  dictionaries: StatesAt['dictionaries'],
): { readonly sql: string; readonly names: readonly string[] } {
  if (lookupsShown(plan, dictionaries).length === 0) return { sql: ordered, names: [] }
  const numbered = `SELECT *, row_number() OVER (${orderSql(plan)}) AS _n FROM (${ordered})`
  const { sql, names } = enrichedSql(plan, numbered, dictionaries)
  return { sql: `SELECT * FROM (${sql}) ORDER BY _n`, names }
}

/** Only distinct counts can be exact or not, row by row; the rows are merged once more to count which. */
async function estimatedOf(
  plan: QueryPlan,
  rows: string,
  bound: BoundValues,
  connection: EngineConnection,
): Promise<ReadonlyMap<string, number>> {
  const names = sketchedNames(plan)
  if (names.length === 0) return new Map()
  const counts = names.map((name) => `count(*) FILTER (${quoteName(`${name}__estimated`)}) AS ${quoteName(name)}`)
  const [row] = await connection.rows<Record<string, number>>(
    `SELECT ${counts.join(', ')} FROM (${rows})`,
    bound.parameters,
  )
  return new Map(Object.entries(row!))
}
