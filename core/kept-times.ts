/** How long a definition keeps raw events and panes. */
import type { ViewTime } from './compiled.ts'
import { nearest } from './definition-error.ts'
import type { DatasetDefinition } from './definition-parts.ts'
import { durationMs, type FixedGrain, GRAIN_MS } from './grains.ts'
import { horizonOf, type KeptPanes, type PaneHorizon } from './pane-horizon.ts'

type Keeping = Pick<DatasetDefinition, 'keep'>

/** Milliseconds after their arrival; null: forever. @throws Error if `keep.raw` is not usable */
export function rawKeptMs({ keep }: Keeping): number | null {
  if (keep?.raw === undefined || keep.raw === 'forever') return null
  return durationMs(keep.raw, "keep.raw ('forever' keeps all)")
}

/** What `keep.panes` says of grains, finest first; infinite: forever. @param problems gets what is not usable */
export function panesKept({ keep }: Keeping, problems: string[] = []): ReadonlyMap<FixedGrain, number> {
  const kept = new Map<FixedGrain, number>()
  const grains = Object.keys(GRAIN_MS) as FixedGrain[]
  for (const name of Object.keys(keep?.panes ?? {}))
    if (!(name in GRAIN_MS))
      problems.push(
        `keep.panes: unknown grain '${name}'${nearest(name, grains)}; panes are of a fixed length: ${grains.join(', ')}`,
      )
  let finer: FixedGrain | null = null
  for (const grain of grains) {
    const text = keep?.panes?.[grain]
    if (text === undefined) continue
    const ms = text === 'forever' ? Infinity : keptMsOf(text, grain, problems)
    if (ms === null) continue
    if (finer !== null && ms < kept.get(finer)!)
      problems.push(
        `keep.panes: '${grain}' is kept for less time than the finer '${finer}' (${text}, ${keep!.panes![finer]}); keep coarser panes at least as long`,
      )
    kept.set(grain, ms)
    finer = grain
  }
  return kept
}

function keptMsOf(text: string, grain: FixedGrain, problems: string[]): number | null {
  try {
    const ms = durationMs(text, `keep.panes.${grain} ('forever' keeps all)`)
    if (ms > GRAIN_MS[grain]) return ms
    problems.push(`keep.panes.${grain}: '${text}' is not longer than a pane, which is as long as its grain`)
  } catch (error) {
    problems.push((error as Error).message)
  }
  return null
}

/**
 * What becomes of a view's panes as they get old, the finest first.
 *
 * A view of minutes, hours and days with { minute: '7d' }: minutes become hours after 7 days.
 * @param kept what `panesKept` says
 */
export function keptPanesOf(time: ViewTime, kept: ReadonlyMap<FixedGrain, number>): readonly KeptPanes[] {
  if (time.kind === 'all-time') return []
  if (time.window !== undefined) {
    const [, keptMs] = paneEntry(time.paneMs, kept)
    return Number.isFinite(keptMs) ? [{ keptMs, grain: null, alignMs: time.paneMs }] : []
  }
  const grains = grainsOf(time.paneMs).filter((grain) => GRAIN_MS[grain] === time.paneMs || time.grains.includes(grain))
  const levels: KeptPanes[] = []
  for (const [place, own] of grains.entries()) {
    const keptMs = kept.get(own) ?? Infinity
    // Detail that is kept holds all that is coarser.
    if (!Number.isFinite(keptMs)) break
    const grain = grains[place + 1] ?? null
    levels.push({ keptMs, grain, alignMs: GRAIN_MS[grain ?? own] })
  }
  return levels
}

/** Why a windowed view cannot lose panes so early; null: it can. */
export function whyTooShort(time: ViewTime, kept: ReadonlyMap<FixedGrain, number>): string | null {
  if (time.kind === 'all-time' || time.window === undefined) return null
  const [grain, keptMs] = paneEntry(time.paneMs, kept)
  const { sizeMs } = time.window
  if (keptMs > sizeMs) return null
  return `its window of ${sizeMs / 1_000} s is not shorter than its panes are kept, ${keptMs / 1_000} s (keep.panes.${grain}); keep them longer than the window`
}

/** Of a pane that is as long as no grain, the entry of the longest grain that divides it counts. */
function paneEntry(paneMs: number, kept: ReadonlyMap<FixedGrain, number>): readonly [FixedGrain | null, number] {
  const grain = (Object.keys(GRAIN_MS) as FixedGrain[]).findLast((each) => paneMs % GRAIN_MS[each] === 0)
  return grain === undefined ? [null, Infinity] : [grain, kept.get(grain) ?? Infinity]
}

/** Fixed grains that are made of whole panes, finest first. */
function grainsOf(paneMs: number): FixedGrain[] {
  return (Object.keys(GRAIN_MS) as FixedGrain[]).filter((grain) => GRAIN_MS[grain] % paneMs === 0)
}

/** What the policy leaves of panes at a present time, epoch ms. */
export function horizonAt(kept: readonly KeptPanes[], presentMs: number): PaneHorizon {
  return horizonOf(
    kept.map(({ keptMs, grain, alignMs }) => ({
      beforeMs: Math.floor((presentMs - keptMs) / alignMs) * alignMs,
      grain,
    })),
  )
}
