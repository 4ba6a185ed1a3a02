/** Which panes of a view can have changed since an index was filled: those of every event that came behind its positions. */
import type { Offset } from '#core/offsets.ts'
import type { PanedView } from '#core/view-time.ts'
import type { EngineConnection } from '#storage/engine/engine-connection.ts'
import { fromPlaces } from '#storage/engine/record-places.ts'
import { rowFiles, typedRowsSql } from '#storage/lake/typed-rows.ts'
import { openTable } from '../answers/open-table.ts'
import type { ServedDataset, Snapshot } from '../answers/snapshot.ts'

/** Pane starts, epoch ms, ascending. Events that the view leaves out count as well: some panes too many, never too few. */
export async function touchedPanes(
  served: ServedDataset,
  connection: EngineConnection,
  view: PanedView,
  snapshot: Snapshot,
  since: readonly Offset[],
): Promise<readonly number[]> {
  const { dataset, lake } = served
  const partitions = snapshot.partitions.length
  const behind = (partition: number): Offset => since[partition] ?? 0
  const chains = await lake.chains(partitions, { compacted: true, after: since })
  const segments = chains.flatMap((chain) => chain.segments.filter(({ end, partition }) => end > behind(partition)))
  const { paneMs } = view.time
  const newer = fromPlaces(new Map(Array.from({ length: partitions }, (_, p) => [p, behind(p)])))
  await lake.check(rowFiles(dataset, segments))
  const rows = typedRowsSql(dataset, segments, (file) => lake.resolve(file))
  const closed = `SELECT DISTINCT _time - ((_time % ${paneMs}) + ${paneMs}) % ${paneMs} AS pane FROM ${rows} WHERE ${newer}`
  const open = await openTable(connection, view, snapshot)
  const all = open === null ? closed : `${closed} UNION SELECT DISTINCT pane FROM ${open}`
  const [panes] = await connection.columns(`SELECT pane FROM (${all}) ORDER BY pane`)
  return panes!.map(Number)
}
