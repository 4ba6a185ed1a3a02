/**
 * Writes what a run changes of a view's states. Files are cut by ranges of panes: a range that nothing new falls into is referred to as
 * it is, and a range that has grown too large is cut when its states are written whole. A view without panes is cut by keys: because new
 * states have keys of all ranges, they are gathered in files of all keys first, and distributed when these have become large.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { horizonWithin, NO_HORIZON, type PaneHorizon } from '#core/pane-horizon.ts'
import { RANGE_FILES_MAX, type StateFile, VIEW_FILES_MAX } from '#storage/lake/generation-manifest.ts'
import type { Lake, StagedFile, StagedGeneration } from '#storage/lake/lake.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import {
  ALL_STATES,
  isOfSlots,
  isSameRange,
  rangeKey,
  rangeOf,
  rangesOf,
  type StateRange,
} from '#storage/lake/state-ranges.ts'
import type { BatchCompute } from './batch-compute.ts'
import { finestLeft, isDue, joinedRanges, settledMs, withoutRemoved } from './pane-ranges.ts'
import type { RunPlan, ViewPlan } from './plan-run.ts'
import type { SpreadRows } from './states-sql.ts'

/** a file is small up to this part of what files usually have: 128 KiB */
const SMALL_PER_FILE = 256

export interface StatesWriting {
  readonly dataset: CompiledDataset
  readonly lake: Lake
  readonly plan: RunPlan
  readonly compute: BatchCompute
  readonly staged: StagedGeneration
  /** see STATE_FILE_BYTES */
  readonly stateFileBytes: number
  readonly signal?: AbortSignal
}

/** A file that is written, and is being made durable, or one that exists. */
export type PendingFile = Promise<StateFile>

/** @returns the view's files, by range and within one oldest first */
export function writeStates(writing: StatesWriting, view: CompiledView, plan: ViewPlan): Promise<PendingFile[]> {
  return plan.kind === 'recount' ? recount(writing, view, plan) : extend(writing, view, plan)
}

async function recount(
  writing: StatesWriting,
  view: CompiledView,
  { kept }: Extract<ViewPlan, { kind: 'recount' }>,
): Promise<PendingFile[]> {
  const { lake, plan, compute, staged, signal } = writing
  await lake.check(compute.filesOf(view, plan.all, kept))
  signal?.throwIfAborted()
  const draft = await staged.stageFile('states', view.name)
  const rows = await compute.recount(view, plan.all, kept, draft.writePath)
  const horizon = plan.horizons.get(view.name) ?? NO_HORIZON
  const settled = horizon.length === 0 ? null : await settle(writing, view, draft, horizon)
  const { file, rows: left } = settled ?? { file: draft, rows }
  return finishWhole(writing, view, file, left, { range: ALL_STATES, ranges: 1, horizon })
}

/** What the horizon leaves of a draft, in its place; null: all of it. */
async function settle(
  { compute, staged, signal }: StatesWriting,
  view: CompiledView,
  draft: StagedFile,
  horizon: PaneHorizon,
): Promise<{ readonly file: StagedFile; readonly rows: number } | null> {
  signal?.throwIfAborted()
  const file = await staged.stageFile('states', view.name)
  const rows = await compute.settle(view, draft.writePath, file.writePath, horizon)
  await (rows === null ? file : draft).discard()
  return rows === null ? null : { file, rows }
}

async function extend(
  writing: StatesWriting,
  view: CompiledView,
  { base, added }: Extract<ViewPlan, { kind: 'extend' }>,
): Promise<PendingFile[]> {
  if (base.some(isOfSlots)) return extendKeys(writing, view, base, added)
  return extendRanges(writing, view, base, added)
}

async function extendRanges(
  writing: StatesWriting,
  view: CompiledView,
  all: readonly StateFile[],
  added: readonly StateFile[],
): Promise<PendingFile[]> {
  const { lake, plan, staged, signal } = writing
  const horizon = plan.horizons.get(view.name) ?? NO_HORIZON
  const base = withoutRemoved(all, horizon)
  const ranges = rangesOf(base)
  await lake.check(added)
  signal?.throwIfAborted()
  const spread = added.length > 0 && base.some(isOfSlots) ? await staged.stageFile('states', view.name) : null
  const rowsIn = await placed(writing, view, added, ranges, spread)
  const rowsAdded = sum([...rowsIn.values()])
  const bytesAdded = sum(added.map(({ bytes }) => bytes))
  const filesIn = Map.groupBy(base, (file) => rangeKey(rangeOf(file)))
  const filesOf = (range: StateRange): StateFile[] => filesIn.get(rangeKey(range))!
  const places = new Map(ranges.map((range, place) => [range, place]))
  const rowsOf = (range: StateRange): number => rowsIn.get(places.get(range)!) ?? 0
  const files: PendingFile[] = []
  for (const joined of joinedRanges(ranges, horizon)) {
    const own = joined.ranges.flatMap(filesOf)
    if (isDue(own, joined.range, horizon, plan.times, writing.stateFileBytes)) {
      const more = joined.ranges.some((range) => rowsOf(range) > 0) ? added : []
      const place = { range: joined.range, ranges: ranges.length, horizon }
      files.push(...(await merge(writing, view, { files: [...own, ...more] }, place, false)))
      continue
    }
    // Panes that would lie across ranges are merged once all of these are.
    const place = { ranges: ranges.length, horizon: joined.ranges.length === 1 ? horizon : removedOnly(horizon) }
    for (const range of joined.ranges) {
      const rows = rowsOf(range)
      const there = filesOf(range)
      const { kept, merged } =
        rows === 0
          ? { kept: there, merged: [] }
          : extendPlan(there, (bytesAdded * rows) / rowsAdded, writing.stateFileBytes)
      for (const file of kept) files.push(pending(staged.refer('states', view.name, file)))
      if (rows === 0) continue
      const states =
        spread === null ? { files: [...merged, ...added] } : { files: merged, spread: { path: spread.writePath, rows } }
      files.push(...(await merge(writing, view, states, { ...place, range }, kept.length > 0)))
    }
  }
  await spread?.discard()
  return files
}

/** place in `ranges` → how many of the added rows are in it. Those of a view that is cut by keys are written on the way, in their order. */
async function placed(
  { compute }: StatesWriting,
  view: CompiledView,
  added: readonly LakeFile[],
  ranges: readonly StateRange[],
  spread: StagedFile | null,
): Promise<ReadonlyMap<number, number>> {
  if (added.length === 0) return new Map()
  if (spread === null) return compute.rowsIn(view, added, ranges)
  return compute.spread(view, added, ranges, spread.writePath)
}

/** A run adds one file of all keys, until these together are as large as what is cut. */
async function extendKeys(
  writing: StatesWriting,
  view: CompiledView,
  base: readonly StateFile[],
  added: readonly LakeFile[],
): Promise<PendingFile[]> {
  const [cut, whole] = [base.filter(isOfSlots), base.filter((file) => !isOfSlots(file))]
  const bytesAdded = sum(added.map(({ bytes }) => bytes))
  if (added.length > 0 && sum(whole.map(({ bytes }) => bytes)) + bytesAdded >= 2 * writing.stateFileBytes)
    return extendRanges(writing, view, cut, [...whole, ...added])
  const { kept, merged } =
    added.length === 0 ? { kept: whole, merged: [] } : extendPlan(whole, bytesAdded, writing.stateFileBytes)
  const files = [...cut, ...kept].map((file) => pending(writing.staged.refer('states', view.name, file)))
  if (added.length === 0) return files
  const place = { range: ALL_STATES, ranges: 1, horizon: NO_HORIZON }
  return [...files, ...(await merge(writing, view, { files: [...merged, ...added] }, place, true))]
}

/** What is merged into a file. */
interface MergedStates {
  readonly files: readonly StateFile[]
  readonly spread?: SpreadRows
}

/** Where states are written. */
interface StatesPlace {
  readonly range: StateRange
  /** how many ranges the view has */
  readonly ranges: number
  /** what it leaves is written */
  readonly horizon: PaneHorizon
}

async function merge(
  writing: StatesWriting,
  view: CompiledView,
  { files, spread }: MergedStates,
  place: StatesPlace,
  isPart: boolean,
): Promise<PendingFile[]> {
  const { lake, compute, staged, signal } = writing
  await lake.check(files)
  signal?.throwIfAborted()
  const draft = await staged.stageFile('states', view.name)
  const rows = await compute.merge(
    view,
    files,
    draft.writePath,
    place.range,
    horizonWithin(place.horizon, place.range),
    spread,
  )
  return isPart ? [finish(draft, rows, place)] : finishWhole(writing, view, draft, rows, place)
}

/** All states of a range: as one file, or cut if there are too many. */
async function finishWhole(
  writing: StatesWriting,
  view: CompiledView,
  draft: StagedFile,
  rows: number,
  place: StatesPlace,
): Promise<PendingFile[]> {
  const { compute, staged, stateFileBytes, signal } = writing
  const parts = await compute.parts(view, draft.writePath, stateFileBytes, place.range)
  if (parts.length < 2 || (place.ranges + parts.length) * RANGE_FILES_MAX > VIEW_FILES_MAX)
    return [finish(draft, rows, place)]
  const slices: { readonly range: StateRange; readonly draft: StagedFile }[] = []
  for (const part of parts) slices.push({ range: part, draft: await staged.stageFile('states', view.name) })
  const scratch = await staged.stageFile('states', view.name)
  signal?.throwIfAborted()
  const written = slices.map(({ range, draft: { writePath } }) => ({ range, writePath }))
  const rowsOf = await compute.cut(view, draft.writePath, written, scratch.writePath)
  await scratch.discard()
  await draft.discard()
  return slices.map((slice, at) => finish(slice.draft, rowsOf[at]!, { ...place, range: slice.range }))
}

function finish(staged: StagedFile, rows: number, { range, horizon }: StatesPlace): PendingFile {
  const grain = finestLeft(range, horizon)
  const settled = settledMs(range, horizon)
  const what = {
    ...(!isSameRange(range, ALL_STATES) && { range }),
    ...(grain !== undefined && { grain }),
    ...(settled !== undefined && { settledMs: settled }),
  }
  return pending(staged.finish(rows).then((file) => ({ ...file, ...what })))
}

function removedOnly(horizon: PaneHorizon): PaneHorizon {
  return horizon.filter(({ grain }) => grain === null)
}

/** Its failure is seen by who waits for all of them. */
function pending(file: PendingFile): PendingFile {
  file.catch(() => {})
  return file
}

interface ExtendPlan {
  readonly kept: readonly StateFile[]
  readonly merged: readonly StateFile[]
}

/**
 * A new file takes in the newest files of its range that are not larger than it becomes: each has at least the bytes of what comes after
 * it, so a state is written again once per doubling, not once per run, and the largest file only when as much was added. Those that are
 * not small wait until the range has as many files as it may have, or until all would be merged: reading one takes far longer than opening it.
 */
function extendPlan(files: readonly StateFile[], bytesAdded: number, stateFileBytes: number): ExtendPlan {
  const doubled = takenIn(files, bytesAdded, Number.POSITIVE_INFINITY)
  if (files.length >= RANGE_FILES_MAX || doubled.kept.length === 0) return doubled
  return takenIn(files, bytesAdded, stateFileBytes / SMALL_PER_FILE)
}

function takenIn(files: readonly StateFile[], bytesAdded: number, bytesMax: number): ExtendPlan {
  let kept = files.length
  let bytes = bytesAdded
  const isTaken = (file: StateFile): boolean => bytes >= file.bytes && bytes + file.bytes <= bytesMax
  while (kept > 0 && (kept >= RANGE_FILES_MAX || isTaken(files[kept - 1]!))) bytes += files[--kept]!.bytes
  return { kept: files.slice(0, kept), merged: files.slice(kept) }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
