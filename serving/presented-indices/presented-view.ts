/**
 * The SQL of a view's presented rows at a snapshot. A view with panes has buckets: one row per pane and dimensions, changed where
 * events came and where panes were merged. An all-time view has a summary: one row per key, all of them anew after each generation. The rankings of a view
 * with a window are made in presented-windows.ts.
 */
import type { CompiledView } from '#core/compiled.ts'
import { type PaneHorizon, paneLeft, throughHorizonSql } from '#core/pane-horizon.ts'
import { quoteName } from '#core/sql-names.ts'
import { hasPanes } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { ALL_STATES, type StateRange } from '#storage/lake/state-ranges.ts'
import { readParquetSql } from '#storage/lake/typed-rows.ts'
import { BoundValues } from '../answers/bound-values.ts'
import { enrichedSql } from '../answers/lookup-sql.ts'
import { answerSql, stateFiles, statesSql } from '../answers/merged-sql.ts'
import { openTable } from '../answers/open-table.ts'
import { planQuery, type QueryPlan } from '../answers/query-plan.ts'
import type { ServedDataset, Snapshot } from '../answers/snapshot.ts'
import { columnMember, momentMember, type PresentedMember, placeMembers, textMember } from './presented-fields.ts'
import {
  type KeptPanesOf,
  PANE_FIELD,
  paneMember,
  presentedHorizon,
  rangesAround,
  tellsPanes,
} from './presented-past.ts'
import { PRESENTED_LIMITS, type RowSource } from './presented-rows.ts'

export interface SnapshotSource {
  readonly served: ServedDataset
  readonly snapshot: Snapshot
  readonly connection: EngineConnection
}

/** Events counted by the snapshot: what was written from an older one never overwrites what was written from a newer one. */
export function versionOf(snapshot: Snapshot): number {
  return snapshot.partitions.reduce((sum, { position }) => sum + position, 0)
}

/**
 * States of all three layers, with the panes that are presented. Their files are checked, and those of the dictionaries.
 *
 * @param panes files of the generation that cannot hold any of these are not read
 */
export async function mergedStates(
  source: SnapshotSource,
  view: CompiledView,
  bound: BoundValues,
  panes: StateRange | readonly StateRange[] = ALL_STATES,
): Promise<string> {
  const { served, snapshot, connection } = source
  const pins = Object.values(snapshot.generation?.dictionaries ?? {})
  await served.lake.check([...stateFiles(view, snapshot, panes), ...pins.map(({ file }) => file)])
  const states = statesSql(view, snapshot, served.lake, bound, await openTable(connection, view, snapshot), panes)
  return throughHorizonSql(presentedHorizon(served.dataset, view, snapshot), states)
}

/** Dictionary → relation of the version that the generation pinned. */
export function dictionaryRelations({ served, snapshot }: SnapshotSource): ReadonlyMap<string, string> {
  const pins = Object.entries(snapshot.generation?.dictionaries ?? {})
  return new Map(pins.map(([name, pin]) => [name, readParquetSql([served.lake.resolve(pin.file)])]))
}

/** Fields of a row of buckets or of a summary. @param horizon where it has a field of how long its pane is, what decides that */
export function viewMembers(dataset: KeptPanesOf, view: CompiledView, horizon: PaneHorizon): PresentedMember[] {
  const columns = [...view.dimensions, ...view.measures]
  return [
    ...(hasPanes(view) ? [momentMember('time', 'time')] : []),
    ...(hasPanes(view) && tellsPanes(dataset, view) ? [paneMember(view, horizon)] : []),
    ...columns.map(columnMember),
    ...placeMembers(columns),
    ...view.lookups.map(({ name }) => textMember(name)),
  ]
}

/** Rows of buckets or of a summary. @param panes only these panes' buckets, as the view counts them, ascending; null: all */
export function viewSource(
  source: SnapshotSource,
  view: CompiledView,
  panes: readonly number[] | null,
): Promise<RowSource> {
  const bound = new BoundValues()
  if (panes === null) return rowsIn(source, view, bound, ALL_STATES)
  const horizon = presentedHorizon(source.served.dataset, view, source.snapshot)
  const left = [...new Set(panes.flatMap((pane) => paneLeft(horizon, pane) ?? []))]
  const within = `pane IN (SELECT unnest(${numbersSql(left, bound)}))`
  return rowsIn(source, view, bound, rangesAround(left, horizon), within)
}

/** Rows of the panes that begin in the ranges, as the horizon leaves them. */
export function rangesSource(
  source: SnapshotSource,
  view: CompiledView,
  ranges: readonly StateRange[],
): Promise<RowSource> {
  const within = ranges.map(({ fromMs, beforeMs }) => {
    const bounds = [fromMs === undefined ? [] : `pane >= ${fromMs}::BIGINT`, `pane < ${beforeMs!}::BIGINT`]
    return `(${bounds.flat().join(' AND ')})`
  })
  return rowsIn(source, view, new BoundValues(), ranges, within.length === 0 ? 'false' : within.join(' OR '))
}

async function rowsIn(
  source: SnapshotSource,
  view: CompiledView,
  bound: BoundValues,
  ranges: StateRange | readonly StateRange[],
  within: string | null = null,
): Promise<RowSource> {
  const { dataset } = source.served
  const all = await mergedStates(source, view, bound, ranges)
  const states = within === null ? all : `(SELECT * FROM ${all} WHERE ${within})`
  const grain = hasPanes(view) ? { grain: view.time.paneGrain } : {}
  const plan = unlimited(planQuery(view, { dataset: view.dataset, view: view.name, ...grain }))
  const files = dictionaryRelations(source)
  const { sql, names } = enrichedSql(plan, answerSql(plan, states, bound), files)
  const members = viewMembers(dataset, view, presentedHorizon(dataset, view, source.snapshot))
  const pane = members.filter(({ name }) => name === PANE_FIELD).map((member) => member.sql)
  return {
    sql: withMissing(sql, view, names),
    bound,
    members,
    identity: [...(hasPanes(view) ? ['time'] : []), ...pane, ...view.dimensions.map(({ name }) => quoteName(name))],
    version: versionOf(source.snapshot),
  }
}

/** A look-up whose dictionary no generation has pinned yet is null. */
export function withMissing(sql: string, view: CompiledView, present: readonly string[]): string {
  const missing = view.lookups.filter(({ name }) => !present.includes(name))
  if (missing.length === 0) return sql
  return `SELECT *, ${missing.map(({ name }) => `NULL::VARCHAR AS ${quoteName(name)}`).join(', ')} FROM (${sql})`
}

/** SQL of a list of whole numbers. */
export function numbersSql(numbers: readonly number[], bound: BoundValues): string {
  return `from_json(${bound.bind(JSON.stringify(numbers))}::VARCHAR, '["BIGINT"]')`
}

/** One more than can be presented, so that too many are seen. */
function unlimited(plan: QueryPlan): QueryPlan {
  return { ...plan, limit: PRESENTED_LIMITS.rowsMax + 1 }
}
