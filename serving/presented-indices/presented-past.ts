/**
 * Rows of old panes: where a generation merged panes, the index has a row of each merged pane in place of those of the finer ones, and its
 * field `pane` says how long it is. Where panes were removed, there are no rows.
 */
import { changedPanes } from '#core/changed-panes.ts'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import { GRAIN_MS } from '#core/grains.ts'
import { NO_HORIZON, type PaneHorizon } from '#core/pane-horizon.ts'
import { quoteText } from '#core/sql-names.ts'
import { hasWindow, type PanedView } from '#core/view-time.ts'
import type { StateRange } from '#storage/lake/state-ranges.ts'
import type { GoneRows } from '#storage/presented-store/presented-store.ts'
import type { Snapshot } from '../answers/snapshot.ts'
import { type PresentedMember, textMember } from './presented-fields.ts'

export type KeptPanesOf = Pick<CompiledDataset, 'keptPanes'>

export const PANE_FIELD = 'pane'

/** Whether rows of merged panes can be told from the others. */
export function tellsPanes({ keptPanes }: KeptPanesOf, view: CompiledView): boolean {
  return !hasWindow(view) && (keptPanes?.get(view.name) ?? []).some(({ grain }) => grain !== null)
}

/** The grain of a row's pane. */
export function paneMember(view: PanedView, horizon: PaneHorizon): PresentedMember {
  const cases = horizon.flatMap(({ beforeMs, grain }) =>
    grain === null ? [] : [`WHEN time < ${beforeMs}::BIGINT THEN ${quoteText(grain)}`],
  )
  // Panes of windows alone are as long as no grain.
  const own = quoteText(view.time.paneGrain!)
  return { ...textMember(PANE_FIELD), sql: cases.length === 0 ? own : `CASE ${cases.join(' ')} ELSE ${own} END` }
}

/** What is presented of the view's panes: an index that could not tell merged ones from the others has none of them. */
export function presentedHorizon(dataset: KeptPanesOf, view: CompiledView, { generation }: Snapshot): PaneHorizon {
  const horizon = generation?.views[view.name]?.horizon ?? NO_HORIZON
  const last = horizon.at(-1)
  if (last === undefined || tellsPanes(dataset, view)) return horizon
  return [{ beforeMs: last.beforeMs, grain: null }]
}

interface OfHorizon {
  readonly horizon?: PaneHorizon
}

/** Whether there are rows now in place of longer ones, or of none: not even a full run brings detail back often. */
export function comesBack(
  { horizon: before = NO_HORIZON }: OfHorizon,
  { horizon: after = NO_HORIZON }: OfHorizon,
): boolean {
  return changedPanes(before, after).some(({ isFiner }) => isFiner)
}

/** In which ranges there are rows of merged panes that an index of the first horizon does not have. */
export function mergedSince(before: PaneHorizon | undefined, after: PaneHorizon): StateRange[] {
  return changedPanes(before ?? NO_HORIZON, after).flatMap(({ fromMs, beforeMs, grain }) =>
    grain ? [{ ...(fromMs !== undefined && { fromMs }), beforeMs }] : [],
  )
}

/** The rows that the horizon of a snapshot does not leave. @param field the date that decides */
export function goneRows(horizon: PaneHorizon, field: string, version: number): GoneRows {
  const ranges = horizon.map(({ beforeMs, grain }, place) => ({
    ...(place > 0 && { fromMs: horizon[place - 1]!.beforeMs }),
    beforeMs,
    ...(grain !== null && { unless: { field: PANE_FIELD, is: grain } }),
  }))
  return { version, field, ranges }
}

/** In which the panes are, a day at most between two of one range. @param panes their starts, ascending, as the horizon leaves them */
export function rangesAround(panes: readonly number[], horizon: PaneHorizon): StateRange[] {
  const ranges: { fromMs: number; beforeMs: number }[] = []
  for (const fromMs of panes) {
    const grain = horizon.find(({ beforeMs }) => fromMs < beforeMs)?.grain ?? null
    const beforeMs = fromMs + (grain === null ? 1 : GRAIN_MS[grain])
    const last = ranges.at(-1)
    if (last !== undefined && fromMs - last.beforeMs < GRAIN_MS.day) last.beforeMs = beforeMs
    else ranges.push({ fromMs, beforeMs })
  }
  return ranges
}
