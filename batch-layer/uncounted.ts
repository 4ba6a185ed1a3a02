/** From where on a view counts: raw events that were removed before it was defined cannot be counted any more. */
import type { CompiledView } from '#core/compiled.ts'
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { SegmentChain } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { LakeFile, SegmentManifest, UncountedBefore } from '#storage/lake/segment-manifest.ts'

/** What has been summarized, by partition. */
export type Summaries = ReadonlyMap<number, SegmentManifest>

export function summariesOf(chains: readonly SegmentChain[]): Summaries {
  const found = chains.flatMap(({ segments: [first] }) => (first?.kind === 'summary' ? [first] : []))
  return new Map(found.map((summary) => [summary.partition, summary]))
}

/** What the view cannot count of the partition; null: nothing. */
export function sinceOf(
  { name, hash }: Pick<CompiledView, 'name' | 'hash'>,
  summary: SegmentManifest,
): UncountedBefore | null {
  const states = summary.partials[name]
  if (states?.hash === hash) return states.since ?? null
  return summary.rows === 0 ? null : { offset: summary.end, timeMaxMs: summary.timeRange?.maxMs ?? null }
}

/** The view's states in the summaries, for a recount. */
export function summarizedFiles({ name, hash }: CompiledView, summaries: Summaries): LakeFile[] {
  const own = [...summaries.values()].flatMap(({ partials }) => partials[name] ?? [])
  return own.filter((states) => states.hash === hash && states.file.rows > 0).map(({ file }) => file)
}

/** By partition; undefined: the view counts everything. */
export function sinceOfAll(
  view: CompiledView,
  summaries: Summaries,
  partitions: number,
): readonly UncountedBefore[] | undefined {
  const since = Array.from({ length: partitions }, (_, partition): UncountedBefore => {
    const summary = summaries.get(partition)
    return (summary && sinceOf(view, summary)) ?? { offset: 0, timeMaxMs: null }
  })
  return since.some(({ offset }) => offset > 0) ? since : undefined
}

/**
 * A run never makes a view count less than it did. A new view has counted nothing.
 *
 * @param base null: what the summaries hold of the view is what it counted
 * @throws LakeError 'raw-removed'
 */
export function assertCountsAsMuch(
  view: CompiledView,
  since: readonly UncountedBefore[] | undefined,
  base: GenerationManifest | null,
  summaries: Summaries,
): void {
  const before = (partition: number): Offset | null => {
    if (base !== null) {
      const counted = base.views[view.name]
      return counted === undefined ? null : (counted.since?.[partition]?.offset ?? 0)
    }
    const states = summaries.get(partition)?.partials[view.name]
    return states === undefined ? null : (states.since?.offset ?? 0)
  }
  for (const [partition, { offset }] of since?.entries() ?? []) {
    const counted = before(partition)
    if (counted === null || counted >= offset) continue
    throw new LakeError(
      'raw-removed',
      `batch, dataset '${view.dataset}', view '${view.name}': its definition was changed, and it cannot be computed for the past: raw events before offset ${offset} of partition ${partition} were removed by keep.raw. Restore its earlier definition, define the changed view under a new name beside it, or let it count from there on with \`watershed backfill ${view.dataset} --from-kept\`; its answers by the earlier definition continue until then`,
    )
  }
}
