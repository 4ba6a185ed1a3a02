/**
 * Plans what a batch run has to read, from manifests alone.
 * Invariant: a generation counts, per partition, exactly the offsets [0, boundary), and every boundary is a segment's end.
 */
import type { CompiledDataset } from '#core/compiled.ts'
import { sumByColumn } from '#core/conversion-failures.ts'
import type { Offset } from '#core/offsets.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import type { GenerationManifest, PaneAges, StateFile } from '#storage/lake/generation-manifest.ts'
import type { Lake, SegmentChain } from '#storage/lake/lake.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { segmentManifestName } from '#storage/lake/manifest-names.ts'
import {
  gapsIn,
  type LakeFile,
  type SegmentManifest,
  type UncountedBefore,
  unconvertedOf,
} from '#storage/lake/segment-manifest.ts'
import { agesOf, type EventTimes, hasSameHorizons, keepsPanes, paneHorizons, timesOf } from './pane-horizons.ts'
import { assertCountsAsMuch, sinceOfAll, summariesOf, summarizedFiles } from './uncounted.ts'

export type BatchMode = 'full' | 'incremental'

/** How a view's file is computed. */
export type ViewPlan =
  /** from all raw segments, and the states that summaries keep of the removed ones */
  | { readonly kind: 'recount'; readonly kept: readonly LakeFile[] }
  /** the base generation's files, and the partials of the segments since (none if nothing is new), which are merged with some of them */
  | { readonly kind: 'extend'; readonly base: readonly StateFile[]; readonly added: readonly LakeFile[] }

export interface RunPlan {
  readonly mode: BatchMode
  readonly base: GenerationManifest | null
  readonly boundary: readonly Offset[]
  /** every segment before the boundary, compacted ones instead of those they replace; none if they were not read, as no view needs them */
  readonly all: readonly SegmentManifest[]
  /** of everything before the boundary */
  readonly totals: SegmentTotals
  /** names of the segments that the run reads: all of them, or those since the base */
  readonly segments: readonly string[]
  readonly views: ReadonlyMap<string, ViewPlan>
  /** by partition, up to where raw events were removed; absent where none are */
  readonly floor?: readonly Offset[]
  /** view → by partition, what it does not count; only views that do not count everything */
  readonly since: ReadonlyMap<string, readonly UncountedBefore[]>
  /** view → what is left of its old panes; only views of which some were merged or removed */
  readonly horizons: ReadonlyMap<string, PaneHorizon>
  /** what the runs after it need to tell what is old; absent where nothing gets old */
  readonly ages?: PaneAges
  /** null: nothing gets old */
  readonly times: EventTimes | null
  /** false: the base has counted the same segments with the same views */
  readonly changed: boolean
}

/** As manifests of generations have them. */
export type SegmentTotals = Pick<GenerationManifest, 'rows' | 'deadLetters' | 'lateRows' | 'unconverted' | 'gaps'>

export interface PlanInput {
  readonly dataset: CompiledDataset
  readonly mode: BatchMode
  readonly logIdentity: string
  readonly base: GenerationManifest | null
  readonly closed: readonly SegmentChain[]
  readonly compacted: readonly SegmentChain[]
  /** changed views may count from the first raw event that is kept */
  readonly fromKept?: boolean
  /** when the run began, epoch ms */
  readonly clockMs: number
}

export interface LakePlanInput extends Omit<PlanInput, 'closed' | 'compacted'> {
  readonly lake: Pick<Lake, 'bothChains'>
  readonly partitions: number
}

/** Plans a run with as few of the lake's segments as it needs: those since the base, if every view is extended. @throws LakeError as planRun */
export async function planFromLake({ lake, partitions, ...input }: LakePlanInput): Promise<RunPlan> {
  const { base, mode, dataset } = input
  const isAged = !keepsPanes(dataset) || base?.ages !== undefined
  if (base !== null && mode === 'incremental' && isAged) {
    const newer = await lake.bothChains(partitions, { after: base.boundary })
    const since = segmentsSince(base, newer.closed)
    const names = [...dataset.views.keys()]
    if (names.every((name) => mergePlan(dataset, name, base, since) !== null)) return planRun({ ...input, ...newer })
  }
  return planRun({ ...input, ...(await lake.bothChains(partitions)) })
}

/** @throws LakeError 'log-mismatch' when segments or the base generation do not belong together; 'raw-removed' if a changed view would count less */
export function planRun(input: PlanInput): RunPlan {
  assertOneLog(input)
  const { dataset, base, closed, compacted, clockMs } = input
  const mode = base === null ? 'full' : input.mode
  const boundary = closed.map((chain) => chain.end)
  // The two chains are read one after the other: segments that closed in between are after the boundary and not part of this run.
  const isWhole = [...closed, ...compacted].every(({ past }) => past === undefined)
  const all = !isWhole
    ? []
    : compacted.flatMap(({ partition, segments }) => segments.filter((segment) => segment.end <= boundary[partition]!))
  const since = segmentsSince(base, closed)
  const views = new Map<string, ViewPlan>()
  const summaries = summariesOf(compacted)
  const floor = compacted.map(({ partition, past }) => summaries.get(partition)?.end ?? past?.floor ?? 0)
  const removes = dataset.rawKeptMs != null || floor.some((offset) => offset > 0)
  const uncounted = new Map<string, readonly UncountedBefore[]>()
  for (const [name, view] of dataset.views) {
    const merge = mode === 'incremental' && base !== null ? mergePlan(dataset, name, base, since) : null
    if (merge === null && !isWhole) throw new Error(`view '${name}' is recounted, but not all segments were read`)
    views.set(name, merge ?? { kind: 'recount', kept: summarizedFiles(view, summaries) })
    const lacks = merge === null ? sinceOfAll(view, summaries, boundary.length) : base!.views[name]!.since
    if (merge === null && !input.fromKept) assertCountsAsMuch(view, lacks, base, summaries)
    if (lacks !== undefined) uncounted.set(name, lacks)
  }
  const ages = keepsPanes(dataset) ? agesOf(dataset, base, isWhole ? all : since, { isWhole, clockMs }) : null
  const isRecounted = (view: string): boolean => views.get(view)!.kind === 'recount'
  const times = ages && timesOf(ages, clockMs)
  const horizons = paneHorizons({ dataset, base, times, isRecounted })
  const read = mode === 'full' ? all : since
  return {
    mode,
    base,
    boundary,
    all,
    totals: mode === 'full' || base === null ? totalsOf(all) : sumOf(base, totalsOf(since)),
    segments: read.map(segmentManifestName),
    views,
    since: uncounted,
    ...(removes && { floor: boundary.map((_, partition) => floor[partition] ?? 0) }),
    horizons,
    ...(ages && { ages }),
    times,
    changed:
      base === null ||
      since.length > 0 ||
      boundary.length !== base.boundary.length ||
      !sameViews(dataset, base) ||
      !hasSameHorizons(dataset, horizons, base),
  }
}

/** Segments that the base does not count. */
function segmentsSince(base: GenerationManifest | null, closed: readonly SegmentChain[]): SegmentManifest[] {
  return closed.flatMap((chain) => chain.segments.filter((segment) => segment.start >= countedBy(base, chain)))
}

function totalsOf(segments: readonly SegmentManifest[]): SegmentTotals {
  const sum = (of: (segment: SegmentManifest) => number): number =>
    segments.reduce((total, segment) => total + of(segment), 0)
  return {
    rows: sum(({ rows }) => rows),
    deadLetters: sum(({ deadLetters }) => deadLetters),
    lateRows: sum(({ late }) => late.rows),
    ...unconvertedOf(segments),
    gaps: segments.flatMap(gapsIn),
  }
}

function sumOf(counted: SegmentTotals, since: SegmentTotals): SegmentTotals {
  const unconverted = [counted.unconverted, since.unconverted].filter((each) => each !== undefined)
  return {
    rows: counted.rows + since.rows,
    deadLetters: counted.deadLetters + since.deadLetters,
    lateRows: counted.lateRows + since.lateRows,
    ...(unconverted.length > 0 && { unconverted: sumByColumn(unconverted) }),
    gaps: [...counted.gaps, ...since.gaps].toSorted((a, b) => a.partition - b.partition || a.start - b.start),
  }
}

/** The base's states and the partials since, if all have the view's current definition; otherwise null. */
function mergePlan(
  dataset: CompiledDataset,
  name: string,
  base: GenerationManifest,
  since: readonly SegmentManifest[],
): ViewPlan | null {
  const { hash } = dataset.views.get(name)!
  const counted = base.views[name]
  if (counted?.hash !== hash) return null
  const partials: LakeFile[] = []
  for (const segment of since) {
    if (segment.rows === 0) continue
    const partial = segment.partials[name]
    if (partial?.hash !== hash) return null
    if (partial.file.rows > 0) partials.push(partial.file)
  }
  return { kind: 'extend', base: counted.files, added: partials }
}

function sameViews(dataset: CompiledDataset, base: GenerationManifest): boolean {
  const names = Object.keys(base.views)
  return (
    names.length === dataset.views.size &&
    names.every((name) => dataset.views.get(name)?.hash === base.views[name]!.hash)
  )
}

function countedBy(base: GenerationManifest | null, chain: SegmentChain): Offset {
  return base?.boundary[chain.partition] ?? 0
}

function assertOneLog({ dataset, logIdentity, base, closed }: PlanInput): void {
  const mismatch = (what: string): LakeError =>
    new LakeError(
      'log-mismatch',
      `batch, dataset '${dataset.name}': ${what}. The log or the lake was replaced: restore the matching one, or start with an empty data folder`,
    )
  if (base !== null && base.log !== logIdentity) {
    throw mismatch(`generation ${base.id} belongs to log ${base.log}, but this log is ${logIdentity}`)
  }
  if (base !== null && base.boundary.length > closed.length) {
    throw mismatch(`generation ${base.id} counted ${base.boundary.length} partitions, but the log has ${closed.length}`)
  }
  for (const chain of closed) {
    const { past, segments } = chain
    if (past !== undefined && past.log !== logIdentity)
      throw mismatch(
        `segments of partition ${chain.partition} before offset ${past.end} belong to log ${past.log}, but this log is ${logIdentity}`,
      )
    const foreign = segments.find((segment) => segment.log !== logIdentity)
    if (foreign) {
      throw mismatch(
        `segment '${segmentManifestName(foreign)}' belongs to log ${foreign.log}, but this log is ${logIdentity}`,
      )
    }
    const counted = countedBy(base, chain)
    if (counted > 0 && past?.end !== counted && !segments.some((segment) => segment.end === counted)) {
      throw mismatch(
        `generation ${base!.id} counts partition ${chain.partition} up to offset ${counted}, where no segment ends (the last one ends at ${chain.end})`,
      )
    }
  }
}
