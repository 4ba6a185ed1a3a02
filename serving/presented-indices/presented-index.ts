/** The presented indices of a dataset, and the position that each of them stores. */
import { hash } from 'node:crypto'
import type { CompiledDataset, CompiledView } from '#core/compiled.ts'
import type { PaneHorizon } from '#core/pane-horizon.ts'
import { NO_HORIZON } from '#core/pane-horizon.ts'
import { hasWindow } from '#core/view-time.ts'
import type { PresentedIndex, PresentedProgress } from '#storage/presented-store/presented-store.ts'
import type { ServedDataset, Snapshot } from '../answers/snapshot.ts'
import { eventMembers } from './presented-events.ts'
import { fieldsOf } from './presented-fields.ts'
import { type KeptPanesOf, presentedHorizon } from './presented-past.ts'
import { viewMembers } from './presented-view.ts'
import { windowMembers } from './presented-windows.ts'

/** The presented index of a view, as people query it. */
export function indexOf(dataset: KeptPanesOf, view: CompiledView): PresentedIndex {
  const windows = hasWindow(view)
  const fields = fieldsOf(windows ? windowMembers(view) : viewMembers(dataset, view, NO_HORIZON))
  return { name: `${view.dataset}-${view.name}`, fields, daily: windows }
}

export function eventsIndex({ dataset }: Pick<ServedDataset, 'dataset'>): PresentedIndex {
  return { name: `${dataset.name}-events`, fields: fieldsOf(eventMembers(dataset)), daily: true }
}

export interface KnownProgress extends PresentedProgress {
  readonly horizon: PaneHorizon
}

export function progressOf(
  dataset: CompiledDataset,
  view: CompiledView,
  snapshot: Snapshot,
  throughMs: number | null,
): KnownProgress {
  return {
    definition: definitionOf(dataset, view, snapshot),
    generation: snapshot.generation?.id ?? null,
    positions: snapshot.partitions.map(({ position }) => position),
    throughMs,
    horizon: presentedHorizon(dataset, view, snapshot),
  }
}

/** Rows of another definition, or with other lookups, are presented again. */
export function definitionOf(dataset: CompiledDataset, view: CompiledView, snapshot: Snapshot): string {
  const used = new Set(view.lookups.map(({ dictionary }) => dictionary))
  const pins = Object.entries(snapshot.generation?.dictionaries ?? {}).filter(([name]) => used.has(name))
  return definitionHash([
    view.hash,
    indexOf(dataset, view).fields,
    hasWindow(view) ? view.time.window : undefined,
    view.rank,
    view.lookups,
    pins.map(([name, { version }]) => [name, version]),
  ])
}

export function definitionHash(parts: readonly unknown[]): string {
  return hash('sha256', JSON.stringify(parts)).slice(0, 16)
}
