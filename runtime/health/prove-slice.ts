/** Proves the next slice of a dataset's history: one process at a time, each slice after the one that was recorded last. */
import { createHash } from 'node:crypto'
import { GRAIN_MS } from '#core/grains.ts'
import { engineVersion } from '#storage/engine/duckdb-engine.ts'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import type { Lake } from '#storage/lake/lake.ts'
import type { VerificationRecord } from '#storage/lake/verification-record.ts'
import { type CyclePlace, mayEndIn, nextSlice } from '#verification/proof-cycle.ts'
import type { Slice } from '#verification/slice.ts'
import type { OpenDataset } from '../drivers/open-dataset.ts'

/**
 * Runs the work on the next slice; null: another process proves one now.
 * @param nights slices of one round through all of history
 * @throws LakeError, and what the work throws
 */
export async function withNextSlice<T>(
  {
    lake,
    dataset,
  }: Pick<OpenDataset, 'dataset'> & { readonly lake: Pick<Lake, 'outline' | 'verification' | 'tryLock' | 'current'> },
  nights: number,
  work: (slice: Slice) => Promise<T>,
): Promise<T | null> {
  const lock = await lake.tryLock('proof')
  if (lock === null) return null
  try {
    const alignMs = mergedPaneMs(dataset, await lake.current())
    const cutBy = cutOf(dataset, alignMs)
    const place = placeIn(await lake.verification(), nights, cutBy)
    const groups = await groupsFor(lake, { nights, ...place })
    return await work({ ...nextSlice({ nights, ...place }, groups, alignMs), cutBy })
  } finally {
    await lock.release()
  }
}

type History = Parameters<typeof nextSlice>[1]

/** All of history, opened only where the next slice may begin or end. */
async function groupsFor(lake: Pick<Lake, 'outline'>, place: CyclePlace): Promise<History> {
  const known = await lake.outline(0, () => false)
  const isNeeded = mayEndIn(
    place,
    known.flatMap(({ groups }) => groups.map(({ outline }) => outline)),
  )
  const chains = await lake.outline(0, ({ outline }) => isNeeded(outline), { again: true })
  return chains.flatMap(({ groups }) => groups.flatMap((group): History => group.segments ?? [group.outline]))
}

/** A round goes on where it was, unless it is over, or was cut otherwise. */
function placeIn(
  record: VerificationRecord | null,
  nights: number,
  cutBy: string,
): { readonly done: number; readonly comparedBeforeMs: number | null } {
  const { proof } = record ?? {}
  const goesOn = proof?.nights === nights && proof.cutBy === cutBy && proof.done < nights
  return goesOn ? proof : { done: 0, comparedBeforeMs: null }
}

/** A view that is new or changed was not compared by the slices before, nor was a pane that a slice has cut and that was merged then. */
function cutOf({ views }: OpenDataset['dataset'], alignMs: number): string {
  const hashes = [...views.values()].map(({ name, hash }) => `${name} ${hash}`)
  const aligned = alignMs === 1 ? [] : [`${alignMs}`]
  return createHash('sha256')
    .update([engineVersion(), ...hashes, ...aligned].join('\n'))
    .digest('hex')
    .slice(0, 16)
}

/** No merged pane is longer, and each length divides it; 1: none is merged. */
function mergedPaneMs({ keptPanes }: OpenDataset['dataset'], generation: GenerationManifest | null): number {
  const policy = [...(keptPanes?.values() ?? [])].flat()
  const there = Object.values(generation?.views ?? {}).flatMap(({ horizon }) => horizon ?? [])
  return [...policy, ...there].some(({ grain }) => grain !== null) ? GRAIN_MS.day : 1
}
