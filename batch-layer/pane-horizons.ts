/**
 * Which panes a run leaves of each view, by `keep.panes`, decided from manifests: the present is the newest confirmed arrival on the log's
 * clock (raw-horizon.ts). Generations keep what of the arrivals is needed for that, so that an incremental run reads the segments since its base only. What was merged or removed stays so in the generations that build on each other; a view that is recounted has what
 * the policy says.
 */
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { horizonAt } from '#core/kept-times.ts'
import { horizonOf, isSameHorizon, NO_HORIZON, type PaneHorizon } from '#core/pane-horizon.ts'
import type { GenerationManifest, PaneAges } from '#storage/lake/generation-manifest.ts'
import type { SegmentManifest } from '#storage/lake/segment-manifest.ts'
import { changedColumns } from '#storage/lake/stored-columns.ts'
import { arrivedMs, presentMs } from './raw-horizon.ts'

/** Of which times events are, as far as it is known. */
export interface EventTimes {
  /** epoch ms; infinite: there are none */
  readonly oldestMs: number
  /** epoch ms; null: it is not known yet */
  readonly presentMs: number | null
}

export interface HorizonInput {
  readonly dataset: CompiledDataset
  readonly base: GenerationManifest | null
  /** null: nothing gets old */
  readonly times: EventTimes | null
  /** whether the view is recounted */
  isRecounted(view: string): boolean
}

/** By view; those without any are absent. */
export function paneHorizons({ dataset, base, times, isRecounted }: HorizonInput): Map<string, PaneHorizon> {
  const present = times?.presentMs ?? null
  const oldest = times?.oldestMs ?? Infinity
  const horizons = new Map<string, PaneHorizon>()
  for (const view of dataset.views.values()) {
    const kept = dataset.keptPanes?.get(view.name) ?? []
    const before = horizonIn(base, view)
    // Only what there was can have been removed.
    const levels = present === null ? [] : horizonAt(kept, present).filter(({ beforeMs }) => oldest < beforeMs)
    const goesOn = !isRecounted(view.name) || (kept.length > 0 && present === null)
    const horizon = horizonOf(goesOn ? [...before, ...levels] : levels)
    if (horizon.length > 0) horizons.set(view.name, horizon)
  }
  return horizons
}

/** Whether panes of any view get old. */
export function keepsPanes({ keptPanes }: CompiledDataset): boolean {
  return [...(keptPanes?.values() ?? [])].some((kept) => kept.length > 0)
}

/**
 * What is known of the times of all events that a run counts.
 *
 * @param segments all of them, or those since the base
 */
export function agesOf(
  dataset: CompiledDataset,
  base: GenerationManifest | null,
  segments: readonly SegmentManifest[],
  { isWhole, clockMs }: { readonly isWhole: boolean; readonly clockMs: number },
): PaneAges {
  const before = base?.ages
  const known = isWhole ? Infinity : (before?.oldestMs ?? Infinity)
  const oldest = Math.min(oldestMs(dataset, segments), known)
  // Compaction leaves the newest arrival of many segments only.
  const arrivals = keptArrivals([...(before?.arrivals ?? []), ...segments.map(arrivedMs)], clockMs)
  return { ...(oldest < Infinity && { oldestMs: oldest }), arrivals }
}

/** @param clockMs epoch ms; arrivals after it are of wrong clocks */
export function timesOf({ oldestMs = Infinity, arrivals }: PaneAges, clockMs: number): EventTimes {
  return { oldestMs, presentMs: presentMs(arrivals.map(arrivalAt), clockMs) }
}

/** As many of them are kept, of the newest on each side of the clock. */
const HOURS_KEPT = 26
const HOUR_MS = 3_600_000

/** The newest arrival of each hour of the last day, and the newest before: what a later run tells the present by, to an hour. */
function keptArrivals(all: readonly number[], clockMs: number): number[] {
  const hours = new Map<number, number>()
  for (const ms of all.toSorted((a, b) => a - b)) hours.set(Math.floor(ms / HOUR_MS), ms)
  const newest = [...hours.values()]
  const [past, ahead] = [newest.filter((ms) => ms <= clockMs), newest.filter((ms) => ms > clockMs)]
  return [...past.slice(-HOURS_KEPT), ...ahead.slice(-HOURS_KEPT)]
}

function arrivalAt(createdAtMs: number): Pick<SegmentManifest, 'createdAtMs'> {
  return { createdAtMs }
}

/** What the generation leaves of the view's panes. */
function horizonIn(generation: GenerationManifest | null, { name, hash }: CompiledView): PaneHorizon {
  const states = generation?.views[name]
  return states?.hash === hash ? (states.horizon ?? NO_HORIZON) : NO_HORIZON
}

export function hasSameHorizons(
  { views }: CompiledDataset,
  horizons: ReadonlyMap<string, PaneHorizon>,
  base: GenerationManifest,
): boolean {
  return [...views.values()].every((view) =>
    isSameHorizon(horizons.get(view.name) ?? NO_HORIZON, horizonIn(base, view)),
  )
}

/** before all times */
const UNKNOWN_MS = Number.MIN_SAFE_INTEGER

/** The event time of the oldest event; of a segment whose events had another time, it is not known. */
function oldestMs(dataset: CompiledDataset, segments: readonly SegmentManifest[]): number {
  const times = segments.map((segment) => {
    const { schemaHash, timeRange } = segment
    if (timeRange === null) return Infinity
    const isOther = schemaHash !== dataset.schemaHash && changedColumns(dataset, segment).includes(dataset.timeColumn)
    return isOther ? UNKNOWN_MS : timeRange.minMs
  })
  return times.reduce((oldest, ms) => Math.min(oldest, ms), Infinity)
}
