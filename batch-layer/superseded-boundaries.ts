/**
 * Which boundaries readers may still use: of the kept generations, and of removed ones that were current a short time ago. Where runs are
 * frequent, all kept generations are younger than the readers' grace, and only the manifests of later ones tell of those before.
 */
import type { Offset } from '#core/offsets.ts'
import type { GenerationManifest, SupersededBoundaries } from '#storage/lake/generation-manifest.ts'

/** how long a superseded boundary is remembered at least: the next run may have another grace */
const REMEMBERED_MS = 3_600_000
/** bounds the manifest where runs are frequent or the grace is long */
const REMEMBERED_MAX = 200

type Superseded = SupersededBoundaries['boundaries'][number]

/**
 * What a generation that takes the place of `base` tells of those before it.
 *
 * @param graceMs how long readers may use a generation after that
 */
export function supersededBy(
  base: GenerationManifest | null,
  finishedAtMs: number,
  graceMs: number,
): SupersededBoundaries {
  if (base === null) return { sinceMs: finishedAtMs, boundaries: [] }
  const before = base.superseded ?? { sinceMs: base.finishedAtMs, boundaries: [] }
  // A time in the future is of a clock that was ahead.
  const past = (ms: number): number => Math.min(ms, finishedAtMs)
  const earlier = before.boundaries.map(({ boundary, untilMs }) => ({ boundary, untilMs: past(untilMs) }))
  const all = [...earlier, { boundary: base.boundary, untilMs: finishedAtMs }]
  const fromMs = finishedAtMs - Math.max(REMEMBERED_MS, graceMs)
  const kept = all.filter(({ untilMs }) => untilMs > fromMs)
  const forgotten = all.filter(({ untilMs }) => untilMs <= fromMs).map(({ untilMs }) => untilMs)
  const sinceMs = Math.max(past(before.sinceMs), ...forgotten)
  return { sinceMs, boundaries: thinned(kept, sinceMs) }
}

/** Two neighbours that were current for the shortest time become one, with what readers of either need. */
function thinned(boundaries: readonly Superseded[], sinceMs: number): readonly Superseded[] {
  const left = [...boundaries]
  while (left.length > REMEMBERED_MAX) {
    const spans = left.slice(1).map(({ untilMs }, at) => untilMs - (left[at - 1]?.untilMs ?? sinceMs))
    const at = spans.indexOf(Math.min(...spans))
    const [one, next] = left.slice(at, at + 2) as [Superseded, Superseded]
    const boundary = one.boundary.map((end, partition) => Math.min(end, next.boundary[partition] ?? 0))
    left.splice(at, 2, { boundary, untilMs: next.untilMs })
  }
  return left
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
