/** What a view keeps of event time. */
import type { CompiledView, PanesTime, SlidingWindow } from './compiled.ts'

export type PanedView = CompiledView & { readonly time: PanesTime }
export type WindowedView = CompiledView & { readonly time: PanesTime & { readonly window: SlidingWindow } }

export function hasPanes(view: CompiledView): view is PanedView {
  return view.time.kind === 'panes'
}

export function hasWindow(view: CompiledView): view is WindowedView {
  return view.time.kind === 'panes' && view.time.window !== undefined
}

/** Names of the columns that identify a state row: the pane, where the view has panes, and the dimensions. */
export function keyNames(view: {
  readonly time: CompiledView['time']
  readonly dimensions: readonly { readonly name: string }[]
}): string[] {
  return [...(view.time.kind === 'panes' ? ['pane'] : []), ...view.dimensions.map(({ name }) => name)]
}
