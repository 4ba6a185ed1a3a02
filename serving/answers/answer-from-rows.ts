/**
 * Answers of a view whose current definition has not been computed for the past: by the definition of the generation, from its states and
 * the closed segments after it. A segment whose partials are of another definition, or were compacted, is counted from its typed rows.
 * Such an answer ends with the closed segments, where every definition counts the same events, and is exact there.
 */
import type { ViewQuery } from '#core/query.ts'
import { quoteName } from '#core/sql-names.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import type { LakeFile, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { readParquetSql, rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { StepClock } from './answer-steps.ts'
import { BoundValues } from './bound-values.ts'
import { type AnsweringDefinition, answeringDefinition, isSameSeries, outdatedBy } from './earlier-definition.ts'
import { type Answer, type AnswerOptions, answerQuery, answerStates, type StatesAt, withSteps } from './merged-view.ts'
import { NewestPane } from './newest-pane.ts'
import { NeedsBackfillError, QueryError } from './query-error.ts'
import { planFor, type QueryPlan } from './query-plan.ts'
import { type ServedDataset, type Snapshot, takeSnapshot } from './snapshot.ts'
import { limited, onConnection, QUERY_MS_MAX } from './time-limit.ts'

type RowsServed = Pick<ServedDataset, 'dataset' | 'lake' | 'engine'>

/** Why such an answer lacks the live part. */
export const ENDS_WITH_CLOSED =
  'until the backfill of the changed view has run, its answers end with the closed segments'

/** As `answerQuery`, and where the view has to be computed anew by its earlier definition. @throws as `answerQuery` */
export async function answerView(
  served: ServedDataset,
  query: ViewQuery,
  options: AnswerOptions = {},
): Promise<Answer> {
  try {
    return await answerQuery(served, query, options)
  } catch (error) {
    if (!(error instanceof NeedsBackfillError)) throw error
    const { queryMsMax = QUERY_MS_MAX, signal: gone } = options
    return limited(queryMsMax, gone, async (signal) => {
      const snapshot = await takeSnapshot(served, { views: [], live: 'optional' })
      return answerFromRows(served, query, snapshot, error, { ...options, signal })
    })
  }
}

/**
 * @param needs what says that the view cannot be answered by its current definition
 * @throws NeedsBackfillError if it cannot be answered by an earlier one either, or what is asked for is not in that one
 */
export async function answerFromRows(
  served: RowsServed,
  query: ViewQuery,
  snapshot: Snapshot,
  needs: NeedsBackfillError,
  options: AnswerOptions & { readonly signal: AbortSignal },
): Promise<Answer & { readonly snapshot: Snapshot }> {
  const { dataset: current, engine } = served
  const { view, series, sides, grouping } = planFor(current, query)
  if (sides !== null || grouping !== null) throw needs
  const by = await answeringDefinition(current, view.name, snapshot.generation, engine)
  if (by === null || (series && !isSameSeries(current, by, query.view))) throw needs
  const plan = planBy(by, query)
  const shown = closedOnly(snapshot)
  const outdated = outdatedBy(current, by, plan)
  const answer = await onConnection(engine, options.signal, async (connection: EngineConnection) => {
    const clock = new StepClock()
    const states = await statesFromRows(served, by, shown)
    clock.over('states')
    const given = await answerStates(engine, connection, plan, { ...states, outdated }, options)
    return withSteps(given, 'earlier-definition', clock)
  })
  return { ...answer, snapshot: shown }
}

/** @throws NeedsBackfillError for names that only the current definition has */
function planBy({ dataset, view }: AnsweringDefinition, query: ViewQuery): QueryPlan {
  try {
    return planFor(dataset, query)
  } catch (error) {
    if (!(error instanceof QueryError)) throw error
    throw new NeedsBackfillError(view, { why: `its earlier definition cannot answer this: ${error.message}` })
  }
}

/** The snapshot without its open segments. */
function closedOnly(snapshot: Snapshot): Snapshot {
  const { generation, segments } = snapshot
  const partitions = snapshot.partitions.map((place) => {
    const own = segments.filter(({ partition }) => partition === place.partition)
    return {
      ...place,
      position: place.closedEnd,
      asOfMs: own.at(-1)?.createdAtMs ?? generation?.startedAtMs ?? null,
      ahead: null,
      behind: place.behind === null ? null : place.behind + place.position - place.closedEnd,
      missing: ENDS_WITH_CLOSED,
    }
  })
  return { ...snapshot, partitions, markers: new Map(), open: new Map() }
}

async function statesFromRows(
  { lake }: RowsServed,
  { dataset, view }: AnsweringDefinition,
  snapshot: Snapshot,
): Promise<StatesAt> {
  const { generation } = snapshot
  const counted = generation === null || generation.rows === 0 ? [] : generation.views[view.name]!.files
  const { files, rows } = closedParts(view, snapshot.segments)
  const pins = Object.entries(generation?.dictionaries ?? {})
  await lake.check([...counted, ...files, ...rowFiles(dataset, rows), ...pins.map(([, { file }]) => file)])
  const resolve = (file: LakeFile): string => lake.resolve(file)
  const columns = view.stateColumns.map(({ name }) => quoteName(name)).join(', ')
  const paths = [...counted, ...files].map(resolve)
  const parts = [
    // Also where there are none: of the right types.
    `SELECT ${columns} FROM (${view.partialSql(typedRowsSql(dataset, rows, resolve))})`,
    ...(paths.length === 0 ? [] : [`SELECT ${columns} FROM ${readParquetSql(paths)}`]),
  ]
  const dictionaries = new Map(pins.map(([name, { file }]) => [name, readParquetSql([resolve(file)])]))
  const sql = `(${parts.join(' UNION ALL ')})`
  return { snapshot, sql, bound: new BoundValues(), dictionaries, newestPane: new NewestPane() }
}

/** Partials of the view's definition, and the segments that have none. */
function closedParts(
  view: AnsweringDefinition['view'],
  segments: readonly SegmentManifest[],
): { readonly files: readonly LakeFile[]; readonly rows: readonly SegmentManifest[] } {
  const { name, hash } = view
  const isOwn = ({ partials }: SegmentManifest): boolean => partials[name]?.hash === hash
  if (segments.some((segment) => segment.kind === 'summary' && segment.rows > 0 && !isOwn(segment)))
    throw new NeedsBackfillError(view, { why: 'its raw events were removed by keep.raw' })
  return {
    files: segments.filter(isOwn).map(({ partials }) => partials[name]!.file),
    rows: segments.filter((segment) => segment.rows > 0 && !isOwn(segment)),
  }
}
