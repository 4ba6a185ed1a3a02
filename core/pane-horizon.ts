/**
 * What is left of a view's old panes. A horizon is a list of levels: before a level's time, panes are those of its grain, or gone. The
 * coarsest level comes first, and each has a later time than the one before it; so the first level whose time is after a moment is the one
 * that holds there. A level's time begins a pane of its grain.
 */
import { type FixedGrain, GRAIN_MS } from './grains.ts'

export interface PaneLevel {
  /** epoch ms */
  readonly beforeMs: number
  /** of the panes before it; null: there are none */
  readonly grain: FixedGrain | null
}

export type PaneHorizon = readonly PaneLevel[]

/** How long panes of a view are kept, and what they become then. */
export interface KeptPanes {
  /** ms after they began */
  readonly keptMs: number
  /** of the panes into which they are merged; null: they are removed */
  readonly grain: FixedGrain | null
  /** the time from which on they are kept is a multiple of this, ms */
  readonly alignMs: number
}

/** Everything is kept as it was counted. */
export const NO_HORIZON: PaneHorizon = []

/** Levels in their order, without those that a coarser one covers. Of one grain, the latest time counts. */
export function horizonOf(levels: readonly PaneLevel[]): PaneHorizon {
  const sorted = levels.toSorted((a, b) => lengthOf(b) - lengthOf(a) || b.beforeMs - a.beforeMs)
  const kept: PaneLevel[] = []
  for (const level of sorted) if (level.beforeMs > (kept.at(-1)?.beforeMs ?? -Infinity)) kept.push(level)
  return kept
}

export function isSameHorizon(a: PaneHorizon, b: PaneHorizon): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** What holds at a moment; null: panes are as they were counted. */
export function levelAt(horizon: PaneHorizon, atMs: number): PaneLevel | null {
  return horizon.find(({ beforeMs }) => atMs < beforeMs) ?? null
}

/** The pane that is left of one that began then, epoch ms; null: none. */
export function paneLeft(horizon: PaneHorizon, paneMs: number): number | null {
  const level = levelAt(horizon, paneMs)
  if (level === null) return paneMs
  return level.grain === null ? null : Math.floor(paneMs / GRAIN_MS[level.grain]) * GRAIN_MS[level.grain]
}

/** Before this there are no panes, epoch ms; null: none were removed. */
export function removedBeforeMs(horizon: PaneHorizon): number | null {
  return horizon[0]?.grain === null ? horizon[0].beforeMs : null
}

/** The horizon without what does not concern panes of the range. */
export function horizonWithin(
  horizon: PaneHorizon,
  { fromMs = -Infinity, beforeMs = Infinity }: { readonly fromMs?: number; readonly beforeMs?: number },
): PaneHorizon {
  const first = horizon.findIndex((level) => level.beforeMs > fromMs)
  if (first === -1) return NO_HORIZON
  const last = horizon.findIndex((level) => level.beforeMs >= beforeMs)
  return horizon.slice(first, last === -1 ? undefined : last + 1)
}

/** SQL of the pane that a state row belongs to. @param pane SQL of the one that it was counted in, epoch ms */
export function paneSql(horizon: PaneHorizon, pane = 'pane'): string {
  const cases = coarsened(horizon).map(
    ({ beforeMs, grainMs }) =>
      `WHEN ${pane} < ${beforeMs}::BIGINT THEN ${pane} - ((${pane} % ${grainMs}) + ${grainMs}) % ${grainMs}`,
  )
  return cases.length === 0 ? pane : `CASE ${cases.join(' ')} ELSE ${pane} END`
}

/** The relation without the rows that were removed, and with the panes of the others. Rows of one pane and key are not merged yet. */
export function throughHorizonSql(horizon: PaneHorizon, states: string): string {
  if (horizon.length === 0) return states
  const removed = removedBeforeMs(horizon)
  const where = removed === null ? '' : ` WHERE pane >= ${removed}::BIGINT`
  const items = coarsened(horizon).length === 0 ? '*' : `* REPLACE (${paneSql(horizon)} AS pane)`
  return `(SELECT ${items} FROM ${states}${where})`
}

/** SQL that gives the same for a moment, by the engine's own functions; and the condition under which it is not removed. */
export function recountedPaneSql(
  horizon: PaneHorizon,
  paneMs: number,
  moment: string,
): { readonly pane: string; readonly kept: string | null } {
  const bucket = (ms: number): string =>
    `epoch_ms(time_bucket(to_milliseconds(${ms}), ${moment}, TIMESTAMP '1970-01-01'))`
  const at = (ms: number): string => `make_timestamp(${ms * 1_000})`
  const cases = coarsened(horizon).map(
    ({ beforeMs, grainMs }) => `WHEN ${moment} < ${at(beforeMs)} THEN ${bucket(grainMs)}`,
  )
  const removed = removedBeforeMs(horizon)
  return {
    pane: cases.length === 0 ? bucket(paneMs) : `CASE ${cases.join(' ')} ELSE ${bucket(paneMs)} END`,
    kept: removed === null ? null : `${moment} >= ${at(removed)}`,
  }
}

function coarsened(horizon: PaneHorizon): { readonly beforeMs: number; readonly grainMs: number }[] {
  return horizon.flatMap(({ beforeMs, grain }) => (grain === null ? [] : [{ beforeMs, grainMs: GRAIN_MS[grain] }]))
}

function lengthOf({ grain }: PaneLevel): number {
  return grain === null ? Infinity : GRAIN_MS[grain]
}
