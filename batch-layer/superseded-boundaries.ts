/**
 * Which boundaries readers may still use: of the kept generations, and of removed ones that were current a short time ago. Where runs are
 * frequent, all kept generations are younger than the readers' grace, and only the manifests of later ones tell of those before.
 */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest, SupersededBoundaries } from '#storage/lake/generation-manifest.ts'

/** how long a superseded boundary is remembered: longer than any sensible grace */
const REMEMBERED_MS = 3_600_000
/** bounds the manifest where runs follow each other by seconds */
const REMEMBERED_MAX = 200

/** What a generation that takes the place of `base` tells of those before it. */
export function supersededBy(base: GenerationManifest | null, finishedAtMs: number): SupersededBoundaries {
  if (base === null) return { sinceMs: finishedAtMs, boundaries: [] }
  const before = base.superseded ?? { sinceMs: base.finishedAtMs, boundaries: [] }
  // A time in the future is of a clock that was ahead.
  const past = (ms: number): number => Math.min(ms, finishedAtMs)
  const earlier = before.boundaries.map(({ boundary, untilMs }) => ({ boundary, untilMs: past(untilMs) }))
  const all = [...earlier, { boundary: base.boundary, untilMs: finishedAtMs }]
  const kept = all.slice(-REMEMBERED_MAX).filter(({ untilMs }) => untilMs > finishedAtMs - REMEMBERED_MS)
  const forgotten = all.slice(0, all.length - kept.length).map(({ untilMs }) => untilMs)
  return { sinceMs: Math.max(past(before.sinceMs), ...forgotten), boundaries: kept }
}

/**
 * The boundaries of all generations, besides the kept ones, that were current after `sinceMs`; null where that is not known.
 *
 * @param current its manifest tells of those before it
 */
export function boundariesReadSince(
  sinceMs: number,
  kept: readonly GenerationManifest[],
  current: GenerationManifest | null,
): readonly (readonly Offset[])[] | null {
  const superseded = current?.superseded
  if (superseded !== undefined && superseded.sinceMs <= sinceMs)
    return superseded.boundaries.filter(({ untilMs }) => untilMs > sinceMs).map(({ boundary }) => boundary)
  const oldest = Math.min(...kept.map((generation) => generation.finishedAtMs))
  return oldest <= sinceMs ? [] : null
}
