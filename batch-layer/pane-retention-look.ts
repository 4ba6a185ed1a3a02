/** What `keep.panes` has left of old panes and what the next incremental run would do: reads manifests, and changes nothing. */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { durationText, type FixedGrain } from '#core/grains.ts'
import { type KeptPanes, NO_HORIZON, type PaneHorizon } from '#core/pane-horizon.ts'
import type { GenerationManifest, StateFile } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import { isSameRange, rangeOf, rangesOf } from '#storage/lake/state-ranges.ts'
import type { EventTimes } from './pane-horizons.ts'
import { isDue, joinedRanges, withoutRemoved } from './pane-ranges.ts'
import { planFromLake, type RunPlan } from './plan-run.ts'
import { STATE_FILE_BYTES } from './state-file-size.ts'

export interface PaneRetentionLook {
  readonly view: string
  /** how long the panes are that get old */
  readonly panes: string
  /** ms after they began; null: forever, by a definition that has changed since */
  readonly keptMs: number | null
  /** what they are merged into; null: they are removed */
  readonly grain: FixedGrain | null
  /** epoch ms: before it, answers of the current generation have none of them; null: they have all */
  readonly beforeMs: number | null
  /** the same after the next incremental run */
  readonly nextBeforeMs: number | null
  /** when that moves on: as soon as an event arrives at this time, epoch ms; null: never */
  readonly movesAtMs: number | null
}

export interface StatesLook {
  readonly view: string
  /** of all states of the current generation */
  readonly bytes: number
  /** of those that the next incremental run writes again with fewer panes, and of those that it gives up; a part of that is free afterwards */
  readonly dueBytes: number
  readonly removedBytes: number
  /** of those that hold older panes than answers have, besides: their range is not old as a whole */
  readonly waitingBytes: number
}

export interface RetentionOfPanes {
  readonly panes: readonly PaneRetentionLook[]
  readonly states: readonly StatesLook[]
}

export interface PaneRetentionInput {
  readonly lake: Lake
  readonly dataset: CompiledDataset
  readonly partitions: number
  readonly clockMs: number
  /** default: STATE_FILE_BYTES */
  readonly stateFileBytes?: number
}

/** Of every view whose panes get old, or have got old. @throws LakeError if manifests cannot be read */
export async function lookAtPaneRetention({
  stateFileBytes = STATE_FILE_BYTES,
  ...input
}: PaneRetentionInput): Promise<RetentionOfPanes> {
  const { lake, dataset } = input
  const base = await lake.current()
  const wanted = { ...input, mode: 'incremental', fromKept: true } as const
  const plan = base && (await planFromLake({ ...wanted, base, logIdentity: base.log }))
  const views = [...dataset.views.values()].filter(
    ({ name }) => dataset.keptPanes.get(name)!.length > 0 || base?.views[name]?.horizon !== undefined,
  )
  return {
    panes: views.flatMap((view) => levelsOf(dataset, view, base, plan)),
    states: base === null ? [] : views.map((view) => statesOf(view, base, plan!, stateFileBytes)),
  }
}

function levelsOf(
  { keptPanes }: CompiledDataset,
  view: CompiledView,
  base: GenerationManifest | null,
  plan: RunPlan | null,
): PaneRetentionLook[] {
  const now = base?.views[view.name]?.horizon ?? NO_HORIZON
  const next = plan?.horizons.get(view.name) ?? NO_HORIZON
  const kept = keptPanes.get(view.name)!
  const own = view.time.kind === 'panes' ? (view.time.paneGrain ?? durationText(view.time.paneMs)) : ''
  const levels = kept.map(({ grain, ...policy }, place) => ({ panes: kept[place - 1]?.grain ?? own, grain, policy }))
  // What the definition no longer says stays until a full run.
  const other = now.filter(({ grain }) => !kept.some((level) => level.grain === grain))
  const all = [...levels, ...other.map(({ grain }) => ({ panes: own, grain, policy: null }))]
  return all.map(({ panes, grain, policy }) => {
    const nextBeforeMs = timeOf(next, grain)
    const movesAtMs = policy && movesAt(policy, nextBeforeMs, plan?.times ?? null)
    const { keptMs } = policy ?? { keptMs: null }
    return { view: view.name, panes, keptMs, grain, beforeMs: timeOf(now, grain), nextBeforeMs, movesAtMs }
  })
}

/** Where panes of the grain end; coarser ones can cover them. */
function timeOf(horizon: PaneHorizon, grain: FixedGrain | null): number | null {
  return horizon.find((level) => level.grain === grain)?.beforeMs ?? null
}

/** The first time begins a pane that is left after the oldest event. */
function movesAt(
  { keptMs, alignMs }: Omit<KeptPanes, 'grain'>,
  beforeMs: number | null,
  times: EventTimes | null,
): number | null {
  if (times === null || !Number.isFinite(times.oldestMs)) return null
  const present = times.presentMs === null ? -Infinity : Math.floor((times.presentMs - keptMs) / alignMs) * alignMs
  const first = Math.floor(times.oldestMs / alignMs) * alignMs
  return Math.max(beforeMs ?? first, present, first) + alignMs + keptMs
}

function statesOf(
  { name }: CompiledView,
  base: GenerationManifest,
  { horizons, times, views }: RunPlan,
  fileBytes: number,
): StatesLook {
  const horizon = horizons.get(name) ?? NO_HORIZON
  const all = base.views[name]?.files ?? []
  // A view that is counted again is written as a whole.
  if (views.get(name)!.kind === 'recount')
    return { view: name, bytes: bytesOf(all), dueBytes: bytesOf(all), removedBytes: 0, waitingBytes: 0 }
  const kept = withoutRemoved(all, horizon)
  const [due, waiting]: [StateFile[], StateFile[]] = [[], []]
  for (const { ranges, range } of joinedRanges(rangesOf(kept), horizon)) {
    const own = kept.filter((file) => ranges.some((one) => isSameRange(one, rangeOf(file))))
    if (isDue(own, range, horizon, times, fileBytes)) due.push(...own)
    else waiting.push(...own.filter((file) => isUnsettled(file, horizon, times)))
  }
  const [bytes, keptBytes] = [bytesOf(all), bytesOf(kept)]
  const [dueBytes, waitingBytes] = [bytesOf(due), bytesOf(waiting)]
  return { view: name, bytes, dueBytes, removedBytes: bytes - keptBytes, waitingBytes }
}

/** Whether a file can hold panes that the horizon does not leave. */
function isUnsettled(file: StateFile, horizon: PaneHorizon, times: EventTimes | null): boolean {
  const last = horizon.at(-1)?.beforeMs ?? -Infinity
  const from = Math.max(rangeOf(file).fromMs ?? -Infinity, times?.oldestMs ?? -Infinity)
  return from < last && file.grain === undefined && (file.settledMs ?? from) < last
}

function bytesOf(files: readonly StateFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0)
}
