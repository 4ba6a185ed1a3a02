/** From where on a view counts, where raw events were removed by policy before it was defined or changed. */
import type { Offset } from '#core/offsets.ts'
import type { UncountedBefore } from '#storage/lake/segment-manifest.ts'
import type { QueryPlan } from './query-plan.ts'
import type { Snapshot } from './snapshot.ts'

export interface CountsFrom {
  /** per partition, the first offset that the view counts */
  readonly position: readonly Offset[]
  /** the event time from which on the view is complete, ISO 8601 */
  readonly time: string
}

/** null: the view counts everything, or what it does not count is dated before what is asked for. */
export function countsFromOf(
  { view, series }: Pick<QueryPlan, 'view' | 'series'>,
  snapshot: Pick<Snapshot, 'generation' | 'segments' | 'partitions'>,
  { fromMs }: { readonly fromMs?: number },
): CountsFrom | null {
  const lacks = uncountedOf(view, snapshot)
  const timeMaxMs = Math.max(...lacks.map((each) => each?.timeMaxMs ?? Number.NEGATIVE_INFINITY))
  if (!Number.isFinite(timeMaxMs)) return null
  // A series looks back beyond its first row.
  if (series === null && fromMs !== undefined && fromMs > timeMaxMs) return null
  return { position: lacks.map((each) => each?.offset ?? 0), time: new Date(timeMaxMs + 1).toISOString() }
}

/** By partition, what the view does not count. Without a generation, summaries are among the segments. */
export function uncountedOf(
  { name, hash }: Pick<QueryPlan['view'], 'name' | 'hash'>,
  { generation, segments, partitions }: Pick<Snapshot, 'generation' | 'segments' | 'partitions'>,
): (UncountedBefore | undefined)[] {
  const counted = generation?.views[name]
  return partitions.map(({ partition }) => {
    if (counted?.hash === hash) return counted.since?.[partition]
    return segments.find((segment) => segment.kind === 'summary' && segment.partition === partition)?.partials[name]
      ?.since
  })
}
