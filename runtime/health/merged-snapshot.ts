/** A snapshot of the serving tier at the finest grain, which verify compares with the recount. */
import type { CompiledView } from '#core/compiled.ts'
import { NO_HORIZON, type PaneHorizon, throughHorizonSql } from '#core/pane-horizon.ts'
import { keyNames } from '#core/view-time.ts'
import { uncountedOf } from '#serving/answers/counts-from.ts'
import { BoundValues, stateFiles, statesSql } from '#serving/answers/merged-sql.ts'
import { type ServedDataset, type Snapshot, SnapshotError, takeSnapshot } from '#serving/answers/snapshot.ts'
import { ALL_STATES, type StateRange } from '#storage/lake/state-ranges.ts'
import type { MergedSnapshot } from '#verification/verify-dataset.ts'

const TRIES_MAX = 20

/**
 * Takes one snapshot of all views, as queries do, at a time when no flush is in progress.
 * @param panes files of generations that can hold none of these are not read
 * @throws SnapshotError, LakeError
 */
export async function mergedSnapshot(served: ServedDataset, panes: StateRange = ALL_STATES): Promise<MergedSnapshot> {
  const snapshot = await wholeSnapshot(served)
  for (const view of served.dataset.views.values()) await served.lake.check(stateFiles(view, snapshot, panes))
  return {
    generation: snapshot.generation?.id ?? null,
    positions: snapshot.partitions,
    countedFrom: (view: CompiledView) => uncountedOf(view, snapshot).map((lacks) => lacks?.offset ?? 0),
    horizon: (view: CompiledView) => horizonOf(view, snapshot),
    merged: (view: CompiledView) => {
      const bound = new BoundValues()
      const states = statesSql(view, snapshot, served.lake, bound, null, panes)
      const merged = view.mergeSql(throughHorizonSql(horizonOf(view, snapshot), states))
      return { sql: `(${view.presentSql(`(${merged})`, keyNames(view))})`, parameters: bound.parameters }
    },
  }
}

function horizonOf({ name }: CompiledView, { generation }: Snapshot): PaneHorizon {
  return generation?.views[name]?.horizon ?? NO_HORIZON
}

async function wholeSnapshot(served: ServedDataset): Promise<Snapshot> {
  for (let attempt = 1; ; attempt++) {
    const snapshot = await takeSnapshot(served)
    const ahead = snapshot.partitions.find((place) => place.ahead !== null)
    if (ahead === undefined) return snapshot
    if (attempt < TRIES_MAX) continue
    throw new SnapshotError(
      served.dataset.name,
      `partition ${ahead.partition}: a flush through offset ${ahead.ahead} remains incomplete in the speed store; check that a stream role is running`,
    )
  }
}
