/** For tests: the states of a key in files and in the open segment, and how they merge. */
import type { takeSnapshot } from '#serving/answers/snapshot.ts'
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

export function statesOf(lake: SimulatedLake, file: LakeFile): KeyState[] {
  return JSON.parse(lake.get(file)) as KeyState[]
}

/** The records of a key in the order of their offsets; of another partition they may have the same. */
export function mergeStates(states: readonly KeyState[]): KeyState[] {
  const merged = new Map<string, KeyState['records']>()
  for (const { k, records } of states) merged.set(k, [...(merged.get(k) ?? []), ...records])
  return [...merged].map(([k, records]) => ({ k, records }))
}
