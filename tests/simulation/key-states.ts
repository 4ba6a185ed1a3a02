/** For tests: the states of a key in files and in the open segment, and how they merge. */
import { NO_HORIZON, type PaneHorizon, removedBeforeMs } from '#core/pane-horizon.ts'
import type { takeSnapshot } from '#serving/answers/snapshot.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { LakeFile } from '#storage/lake/segment-manifest.ts'
import type { KeyState } from './histories.ts'
import { VIEW } from './offset-fold.ts'
import type { SimulatedLake } from './simulated-lake.ts'

/** The files that a snapshot counts. */
export function countedFiles({
  generation,
  segments,
}: Pick<Awaited<ReturnType<typeof takeSnapshot>>, 'generation' | 'segments'>): LakeFile[] {
  const partials = segments.filter(({ kind }) => kind !== 'gap').map(({ partials }) => partials[VIEW.name]!.file)
  return [...(generation === null ? [] : generation.views[VIEW.name]!.files), ...partials]
}

/** Files are cut by keys, as those of a view with panes are by panes. */
export function paneOf({ k }: Pick<KeyState, 'k'>): number {
  return k.charCodeAt(0)
}

/** The states whose keys a horizon leaves, as a generation says. */
export function leftOf(states: readonly KeyState[], horizon: PaneHorizon): readonly KeyState[] {
  const removedMs = removedBeforeMs(horizon)
  return removedMs === null ? states : states.filter((state) => paneOf(state) >= removedMs)
}

export function horizonIn({ generation }: { readonly generation: GenerationManifest | null }): PaneHorizon {
  return generation?.views[VIEW.name]?.horizon ?? NO_HORIZON
}

export function statesOf(lake: SimulatedLake, file: LakeFile): KeyState[] {
  return JSON.parse(lake.get(file)) as KeyState[]
}

/** The records of a key in the order of their offsets; of another partition they may have the same. */
export function mergeStates(states: readonly KeyState[]): KeyState[] {
  const merged = new Map<string, KeyState['records']>()
  for (const { k, records } of states) merged.set(k, [...(merged.get(k) ?? []), ...records])
  return [...merged].map(([k, records]) => ({ k, records }))
}
