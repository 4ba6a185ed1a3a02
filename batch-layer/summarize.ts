/**
 * Removes raw events that are older than their dataset keeps them. What they contribute to each view stays, as states in a summary: a
 * segment without events that takes the place of those it counts, by the protocol of compaction. The originals stay until the retention of
 * a later run removes them, when no reader can need them.
 *
 * Runs behind a full run, under its lock: its generation has just counted every raw event that is still there.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedFile } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import type { PartialStates, SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { rowFiles } from '#storage/lake/typed-rows.ts'
import type { Emit } from '#telemetry/emit.ts'
import type { BatchCompute } from './batch-compute.ts'
import { describeCompacted } from './compact.ts'
import { type DueRange, dueRanges, horizonMs } from './raw-horizon.ts'
import { keptBoundary } from './retention.ts'
import { sinceOf } from './uncounted.ts'

export interface SummarizeOptions {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly compute: BatchCompute
  /** the current one, of a full run by this definition */
  readonly generation: GenerationManifest
  readonly emit: Emit
  readonly clock: () => number
  readonly signal?: AbortSignal
}

/** @returns number of segments whose raw events are no longer needed */
export async function summarizeOld(options: SummarizeOptions): Promise<number> {
  const { dataset, lake, generation, emit, clock, signal } = options
  if (dataset.rawKeptMs === null || (await isDoubted(options))) return 0
  const chains = await lake.chains(generation.boundary.length, { compacted: true })
  const segments = chains.flatMap((chain) => chain.segments)
  const counted = await keptBoundary(lake, chains.length)
  const due = dueRanges(chains, counted, horizonMs(segments, dataset.rawKeptMs, clock()))
  let removed = 0
  for (const range of due) {
    signal?.throwIfAborted()
    const summary = await summarize(options, range)
    removed += range.segments.length
    emit({
      name: 'raw-events-summarized',
      level: 'info',
      dataset: dataset.name,
      message: `raw events of '${dataset.name}', partition ${range.partition}, before offset ${summary.end} are past keep.raw: their states are kept, and the events are removed when no reader needs them`,
      fields: { partition: range.partition, floor: summary.end, segments: range.segments.length },
    })
  }
  return removed
}

/** What a verification contradicted may be needed to find out why. */
async function isDoubted({ lake, dataset, emit }: SummarizeOptions): Promise<boolean> {
  const verified = await lake.verification()
  if (verified === null || verified.equal) return false
  emit({
    name: 'raw-events-kept',
    level: 'warn',
    dataset: dataset.name,
    message: `raw events of '${dataset.name}' that are past keep.raw are kept, because the last verification found differences; they are removed after the first full run that follows an equal one (\`watershed verify\`)`,
  })
  return true
}

/** One partition's summary: the states of the one before it, and of the events that follow. */
async function summarize(options: SummarizeOptions, range: DueRange): Promise<SegmentManifest> {
  const { dataset, lake, signal, clock } = options
  const { partition, summary, segments } = range
  await lake.check(rowFiles(dataset, segments))
  const written: StagedFile[] = []
  try {
    const partials: Record<string, PartialStates> = {}
    for (const view of dataset.views.values()) {
      signal?.throwIfAborted()
      const staged = await lake.stageSegmentFile(partition, 0, `partial-${view.name}`)
      written.push(staged)
      partials[view.name] = await statesOf(options, view, range, staged)
    }
    const manifest = describeSummary(summary, segments, partials, clock())
    if (manifest.start !== 0)
      throw new LakeError(
        'chain-broken',
        `lake, dataset '${dataset.name}', partition ${partition}: no segment begins at offset 0`,
      )
    await lake.commitCompacted(manifest)
    return manifest
  } catch (error) {
    for (const staged of written) await staged.discard().catch(() => {})
    throw error
  }
}

async function statesOf(
  { lake, compute }: SummarizeOptions,
  view: CompiledView,
  { summary, segments }: DueRange,
  staged: StagedFile,
): Promise<PartialStates> {
  const counted = summary?.partials[view.name]
  const states = counted?.hash === view.hash ? [counted.file] : []
  await lake.check(states)
  const rows = await compute.recount(view, segments, states, staged.writePath)
  const since = summary === null ? null : sinceOf(view, summary)
  return { hash: view.hash, file: await staged.finish(rows), ...(since !== null && { since }) }
}

/** The manifest of a summary that takes the place of the one before it and of the segments that follow. */
export function describeSummary(
  before: SegmentManifest | null,
  segments: readonly SegmentManifest[],
  partials: SegmentManifest['partials'],
  createdAtMs: number,
): SegmentManifest {
  const all = before === null ? segments : [before, ...segments]
  const lost = segments.filter(({ kind }) => kind === 'gap')
  const gaps = [...(before?.gaps ?? []), ...lost.map(({ partition, start, end }) => ({ partition, start, end }))]
  return {
    ...describeCompacted(all, null, null, null, createdAtMs),
    format: 2,
    kind: 'summary',
    partials,
    ...(gaps.length > 0 && { gaps }),
  }
}
