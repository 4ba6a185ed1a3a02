/** Where two horizons of one view leave different panes. */
import { type FixedGrain, GRAIN_MS } from './grains.ts'
import { levelAt, type PaneHorizon, type PaneLevel } from './pane-horizon.ts'

/** Half-open. */
export interface ChangedPanes {
  /** epoch ms; absent: since ever */
  readonly fromMs?: number
  readonly beforeMs: number
  /** of the panes that there are now; null: none; undefined: those that were counted */
  readonly grain: FixedGrain | null | undefined
  /** whether they were longer, or removed */
  readonly isFiner: boolean
}

/** Oldest first; no pane that the second horizon leaves lies across two of them. */
export function changedPanes(before: PaneHorizon, after: PaneHorizon): ChangedPanes[] {
  const ends = [...before, ...after].map(({ beforeMs }) => beforeMs)
  const times = [...new Set(ends)].sort((a, b) => a - b)
  return times.flatMap((beforeMs, place) => {
    const [was, is] = [before, after].map((horizon) => levelAt(horizon, beforeMs - 1))
    if (was?.grain === is?.grain) return []
    const fromMs = times[place - 1]
    const isFiner = lengthOf(is!) < lengthOf(was!)
    return [{ ...(fromMs !== undefined && { fromMs }), beforeMs, grain: is?.grain, isFiner }]
  })
}

function lengthOf(level: PaneLevel | null): number {
  if (level === null) return 0
  return level.grain === null ? Number.POSITIVE_INFINITY : GRAIN_MS[level.grain]
}
