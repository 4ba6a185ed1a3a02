/** The serving stage's own view of a moment, at the finest grain: what verify holds against the recount. */
import type { CompiledView } from '#core/compiled.ts'
import { BoundValues, statesSql } from '#serving/merged-sql.ts'
import { type ServedDataset, takeSnapshot } from '#serving/snapshot.ts'
import type { MergedSnapshot } from './verify-dataset.ts'

/** Takes one snapshot of all views, as every answer does. @throws SnapshotError, LakeError */
export async function mergedSnapshot(served: ServedDataset): Promise<MergedSnapshot> {
  const snapshot = await takeSnapshot(served)
  return {
    generation: snapshot.generation?.id ?? null,
    positions: snapshot.partitions,
    merged: (view: CompiledView) => {
      const bound = new BoundValues()
      const keep = [...(view.paneMs === undefined ? [] : ['pane']), ...view.dimensions.map(({ name }) => name)]
      const merged = view.mergeSql(statesSql(view, snapshot, served.lake, bound))
      return { sql: `(${view.presentSql(`(${merged})`, keep)})`, parameters: bound.parameters }
    },
  }
}
